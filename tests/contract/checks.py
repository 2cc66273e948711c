"""What every answer of the server has, whatever was asked: looked at by schemathesis, besides its own checks."""

import os

import schemathesis

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# Set by the control, which must fail.
if os.environ.get("POSTERN_CONTRACT_CONTROL"):
    ALWAYS["X-Nobody-Sends-This"] = "1"


@schemathesis.check
def headers_of_every_answer(_context, response, _case):
    """Headers as lists of values, with names in lower case."""
    for name, value in ALWAYS.items():
        assert response.headers.get(name.lower()) == [value], f"{name} is not {value}"
    assert "default-src 'none'" in response.headers.get("content-security-policy", [""])[0], "no policy"
    assert "cache-control" in response.headers, "it may be kept"
    assert "server" not in response.headers, "it says what it runs on"
