#!/usr/bin/env python3
"""Holds the running server against its own OpenAPI document: no 5xx, no answer that the document does not know.

POSTERN_BINARY names the binary; the arguments are the command that runs schemathesis. Its inputs are the same at every run.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

PASSWORD = "correct horse battery staple"
HERE = pathlib.Path(__file__).resolve().parent
# What schemathesis is told at each run: the inputs are the same, and nothing is written down.
SAME = [
    "--seed=1", "--generation-deterministic", "--phases=coverage,fuzzing", "--continue-on-failure",
    "--warnings=off", "--no-color", "--request-timeout=20", "--exclude-checks=ignored_auth,positive_data_acceptance,"
    "negative_data_rejection,missing_required_header,use_after_free,ensure_resource_availability,object_level_authorization,"
    "allow_header_conformance",
]


class Postern:
    """A server in a folder of its own."""

    def __init__(self, folder):
        self.binary, self.folder = os.environ["POSTERN_BINARY"], folder
        self.environment = {"XDG_DATA_HOME": f"{folder}/data", "XDG_CONFIG_HOME": f"{folder}/config"}
        log = open(f"{folder}/log", "w", encoding="utf-8")
        arguments = [self.binary, "serve", "--listen", "127.0.0.1:0"]
        self.server = subprocess.Popen(arguments, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        said = next(line for line in self.server.stdout if line.startswith("listening on "))
        self.base = said.removeprefix("listening on ").strip()
        self.run("password", "set", "--password-file", "-", given=PASSWORD)

    def run(self, *arguments, given=None):
        done = subprocess.run([self.binary, *arguments], env=self.environment, input=given, capture_output=True, text=True, check=True)
        return done.stdout

    def call(self, path, body=None, bearer=None):
        headers = {"Content-Type": "application/json"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data, headers), timeout=20) as answer:
            return json.load(answer)

    def sign_in(self):
        return self.call("/api/v1/auth/login", {"Password": PASSWORD, "RememberMe": True})["AccessToken"]

    def access_key(self, scope):
        return json.loads(self.run("access-keys", "create", scope.replace(":", "-"), "--scope", scope, "--json"))["Secret"]

    def end(self):
        self.server.terminate()
        self.server.wait()


def holds(command, document, base, bearer, *arguments, control=False):
    """Whether the server is as that document says, for whoever has that bearer."""
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "checks", "PYTHONPATH": str(HERE)}
    if control:
        environment["POSTERN_CONTRACT_CONTROL"] = "1"
    arguments = [*command, "run", str(document), f"--url={base}", f"--header=Authorization: Bearer {bearer}", *SAME, *arguments]
    done = subprocess.run(arguments, env=environment, cwd=document.parent, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or " generated" not in done.stdout:
        sys.exit(f"schemathesis did not run:\n{done.stdout}{done.stderr}")
    return done.returncode == 0, done.stdout


def bent(document):
    """The same document, which says of the health of the server what is not so."""
    text = json.loads(document.read_text(encoding="utf-8"))
    answer = text["paths"]["/health"]["get"]["responses"]["200"]
    answer["content"]["application/json"]["schema"] = {"type": "object", "required": ["NobodySendsThis"]}
    path = document.with_name("bent.json")
    path.write_text(json.dumps(text), encoding="utf-8")
    return path


def main(command):
    with tempfile.TemporaryDirectory() as folder:
        postern = Postern(folder)
        try:
            owner = postern.sign_in()
            document = pathlib.Path(folder) / "openapi.json"
            document.write_text(json.dumps(postern.call("/api/v1/openapi.json", bearer=owner)), encoding="utf-8")
            health = "--include-path=/health"
            for what, path, control in [("a document that lies", bent(document), False), ("a header that is missing", document, True)]:
                passes, _said = holds(command, path, postern.base, owner, health, control=control)
                if passes:
                    sys.exit(f"control: {what} was not noticed")
            # It finds out how sessions are ended, and that is the end of its own.
            not_ending = "--exclude-path=/api/v1/sessions/{id}"
            runs = [
                ("the owner", owner, [not_ending, "--max-examples=15"]),
                ("a script", postern.access_key("api"), ["--max-examples=5"]),
                ("a stranger", "nothing", ["--max-examples=2"]),
            ]
            for who, bearer, arguments in runs:
                passes, said = holds(command, document, postern.base, bearer, *arguments)
                print(f"{who}: {next(line.strip() for line in said.splitlines() if ' generated' in line)}")
                if not passes:
                    sys.exit(said)
            if postern.server.poll() is not None:
                sys.exit("the server has ended")
            if "panicked" in pathlib.Path(folder, "log").read_text(encoding="utf-8"):
                sys.exit("the log holds a panic")
        finally:
            postern.end()


if __name__ == "__main__":
    main(sys.argv[1:] or ["schemathesis"])
