#!/usr/bin/env python3
"""Writes the fuzzers' seeds, real values of each kind: fuzz/seeds.py. Files that begin with `good` are taken by what reads them,
which ./test asserts. What a fuzzer found is kept beside them as `found-…`, and left alone here."""
import base64, hashlib, io, json, pathlib, struct, subprocess, tempfile

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent
# The public half of the identity in crates/server/src/foreign_bytes/files.rs.
RECIPIENT = "age1u7nj26rl52ryxue7h8fhqwl2q2qt7djlv8pp3tle8qxmufqh7egq7ntf2h"


def seed(kind, name, content):
    folder = HERE / "seeds" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def seeds(kind, good, other=()):
    for prefix, values in ("good", good), ("odd", other):
        for number, value in enumerate(values):
            seed(kind, f"{prefix}-{number}", value)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sealed_field():
    def lp(data):
        return struct.pack(">I", len(data)) + data
    header, install = bytes([1, 1, 0, 0, 0, 1]), bytes([7] * 16)
    names = lp(b"people") + lp(b"phone")
    key = HKDFExpand(hashes.SHA256(), 32, b"fieldcrypt/v1/column" + names).derive(bytes([1] * 32))
    aad = b"fieldcrypt/v1/field" + header + install + names + struct.pack(">I", 9) + b"\1" + struct.pack(">q", 1)
    nonce = bytes(range(12))
    good = header + nonce + AESGCM(key).encrypt(nonce, b"plain", aad)
    kit = sorted((REPOSITORY / "crates/fieldcrypt/tests/testkit").glob("*.json"))
    seeds("sealed-field", [good], [bytes.fromhex(json.loads(case.read_text())["field"]) for case in kit])


def access_token():
    key, other = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (3, 4))
    issuer = "urn:postern:00112233445566778899aabbccddeeff"

    def token(kind, more=(), key=key, **changes):
        head = {"typ": kind, "alg": "EdDSA", "kid": "one"} | changes
        claims = {"iss": issuer, "aud": "postern-api", "sub": "admin", "sid": "ab" * 16, "ses": b64(bytes(32)),
                  "iat": 1799999990, "nbf": 1799999990, "exp": 1800000890, "jti": "cd" * 16} | dict(more)
        text = ".".join(b64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
        return f"{text}.{b64(key.sign(text.encode()))}"
    good = [token("at+jwt"), token("op+jwt", {"op": "backup"}), token("gate+jwt")]
    odd = [token("JWT"), token("at+jwt", alg="none"), token("at+jwt", kid="two"), token("at+jwt", crit=["b64"]),
           token("at+jwt", key=other, jwk={"kty": "OKP"}), token("at+jwt", {"exp": 1}), token("at+jwt", {"nbf": "1799999990"}),
           token("at+jwt", {"exp": 2**64}), token("at+jwt", {"aud": ["postern-api"]}), good[0] + "=", good[0] + ".", "a.b.c"]
    seeds("access-token", good, odd)


def tokens():
    secret, session = b64(bytes(range(32))), "0123456789abcdef" * 2
    ident = "0123456789ab"
    check = base64.b32encode(hashlib.sha256(f"{ident}_{secret}".encode()).digest()).decode()[:6]
    seeds("token", [f"{session}.{secret}.{secret}", f"{session}.{secret}", secret, session, ident, "41-" + "ab" * 32],
          [f"pst_ak_{ident}_{secret}{check}", f"pst_ak_{ident}_{secret}{check.lower()}", f"pst_st_{secret}"])


def archive(database):
    manifest = {"Kind": "postern-backup", "Format": 1, "Postern": "0.1.0", "Taken": "2026-11-26T19:00:00Z",
                "Install": "00" * 16, "Counter": 7, "Schema": 20, "Rows": {"sessions": 1}, "Length": len(database),
                "Sha256": hashlib.sha256(database).hexdigest()}
    text = json.dumps(manifest, indent=2).encode() + b"\n"
    out = io.BytesIO()
    for name, content in ("postern.sqlite", database), ("manifest.json", text):
        block = bytearray(512)
        for at, field in ((0, name.encode()), (100, b"0000600\0"), (108, b"0000000\0"), (116, b"0000000\0"),
                          (124, b"%011o\0" % len(content)), (136, b"%011o\0" % 1795719600), (148, b" " * 8), (156, b"0"),
                          (257, b"ustar\x0000"), ):
            block[at:at + len(field)] = field
        block[148:156] = b"%07o\0" % sum(block)
        out.write(bytes(block) + content + bytes(-len(content) % 512))
    return out.getvalue() + bytes(1024)


def backup():
    good = [archive(b""), archive(b"SQLite format 3\0" + bytes(600)), archive(bytes(512))]
    seeds("backup-archive", good, [good[1][:700], good[1] + b"x", good[1].replace(b"0000600", b"0000644", 1)])

    def sealed(content, *options):
        return subprocess.run(["age", *options], input=content, stdout=subprocess.PIPE, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        key = pathlib.Path(folder, "key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "seed", "-f", key], check=True)
        public = pathlib.Path(f"{key}.pub").read_text()
        identity = subprocess.run(["age-keygen"], capture_output=True, check=True).stdout
        seeds("backup-key", [identity, key.read_bytes(), public, RECIPIENT], [identity + identity, b"-----BEGIN X-----\n"])
        good = [sealed(a, "-r", RECIPIENT) for a in good]
        odd = [sealed(b"", "-r", RECIPIENT), sealed(b"x", "-r", public.strip()), good[0][:-1], good[1][:180],
               sealed(b"x", "-r", RECIPIENT, "-a")]
    scrypt = b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 30\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n"
    seeds("backup", good, [*odd, scrypt])


def certificate():
    made = []
    for key, names in ("ed25519", "DNS:postern.example.org,IP:127.0.0.1"), ("rsa:2048", "DNS:*.example.org,email:a@b,URI:x:y"):
        command = ["openssl", "req", "-x509", "-newkey", key, "-noenc", "-days", "30", "-subj", "/CN=postern/O=x", "-addext",
                   f"subjectAltName={names}", "-outform", "DER", "-keyout", "/dev/null"]
        made.append(subprocess.run(command, capture_output=True, check=True).stdout)
    seeds("certificate", made, [made[0][:-1], made[0] + b"\0"])


def requests():
    forwarded = "x-forwarded-method: GET\nx-forwarded-proto: https\nx-forwarded-host: app.example.org\nx-forwarded-uri: "
    original = "x-original-method: GET\nx-original-url: https://app.example.org"
    cookie = "__Host-postern-gate=" + "01" * 16 + "." + b64(bytes([2] * 32))
    paths = ["/", "/share/a?b=c", "/share/private", "/share/x%2fy", "/share/%70rivate", "/a;b/c", "//share", "/share/%2570rivate"]
    good = [forwarded + path for path in paths] + [original + path for path in paths]
    good += [good[1] + f"\ncookie: a=1; {cookie}; RefreshToken_8420=x", good[1] + "\nauthorization: Bearer pst_ak_x",
             good[1] + "\nx-api-key: pst_ak_x\nx-forwarded-for: 192.0.2.7, 10.0.0.9",
             good[1] + "\nauthorization: Basic " + base64.b64encode(b"any:pst_ak_x").decode(),
             good[8] + "\nupgrade: websocket\nsec-fetch-mode: navigate\naccept: text/html"]
    odd = [good[0] + "\nx_forwarded_host: b", good[0] + "\nconnection: x-forwarded-host", good[0] + "\nx-original-url: https://b/",
           forwarded + "/share/../private", forwarded + "/share\\..\\a", forwarded + "/%c0%af"]
    seeds("gate-request", good, odd)
    seeds("target", paths + ["/share/%e4%bd%a0", "/.postern/accept?code=x"], ["/..;/a", "/%zz", "/" + "%25" * 50 + "2e", "*", "/#"])
    seeds("request-headers",
          ["cookie: RefreshToken_8420=a.b-c_d", "cookie: a=\"1\";__Host-postern-refresh=x; b", "authorization: Bearer a.b.c",
           f"cookie: __Host-postern-gate-8420={b64(bytes(8))}\norigin: https://127.0.0.1:8420\nsec-fetch-site: same-origin"],
          ["cookie: $Version=1; RefreshToken_8420=a", "cookie: RefreshToken_8420=a; RefreshToken_8420=b", "origin: null"])
    seeds("host", ["localhost:8420", "[::1]:1", "App.example.ORG.", "127.0.0.1", "a_b-c.d"], ["127.1", "[::", "a:99999", "xn--a..b"])
    seeds("query", ["limit=10&before=2026-11-26T19:00:00%2B01:00", "limit=%31"], ["a=1&a=2", "%", "limit=%c0"])
    seeds("json-body", ['{"Password":"x","Remember":true}', '{"password":null,"x":[1,{"a":2}]}', '{"a.b":1,"c":"\\u00e4"}'],
          ['{"A":1,"a":2}', '{"Password":1}', "[" * 200, '"\\ud800"', "nul", "{}x"])
    ok = "HTTP/1.1 200 OK\r\n"
    seeds("proxy-answer", [ok + "Content-Length: 2\r\n\r\nab", ok + "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n",
                           "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n" + ok + "content-length: 0\r\n\r\n"],
          [ok + "Content-Length: 9\r\n\r\nab", "HTTP/1.1 x\r\n\r\n", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"])


def texts():
    seeds("one-time-code", ["123456", "123 456", "ABCD-EFGH-IJKL-MNOP-QRST-UVWX", "abcdefghijklmnopqrstuvwx"], ["1" * 65, "１２３４５６"])
    salt = "A" * 43
    seeds("password-hash", [f"$pbkdf2-sha256$i=600000,l=32${salt}${salt}", f"$pbkdf2-sha256$l=32,i=10000000${salt}${salt}"],
          [f"$pbkdf2-sha256$i=1,l=32${salt}${salt}", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$aGFzaGhhc2g"])
    seeds("scope", ["api", "api:read", "metrics", "gate:app.example.org", "gate:git.example.org/team/app:GET,POST", "gate:a/b:c/d"],
          ["gate:A", "gate:a/../b", "GATE:a"])
    seeds("time", ["2026-11-26T19:00:00Z", "2026-11-26T20:00:00.123456789+01:00", "1970-01-01T00:00:00-23:59", "9999-12-31T23:59:59Z"],
          ["2026-02-30T00:00:00Z", "2026-11-26 19:00", "2026-11-26T23:59:60Z"])
    seeds("padding", [b"abc\x80\0\0", b"\x80"], [b"", b"abc", bytes(9)])
    seeds("argument", ["90d", "2h 30m", "90", "https://postern.example.org", "http://localhost:8420/", "GET,POST /api", "/share",
                       "X-Token: Bearer {secret.photos}"], ["99999999999999999999d", "-1s", "get /a", "X: {secret", "Host: a"])
    keys = {"Settings": {"secret.photos": "x", "a.b": 1, "c": True}, "LeftOut": ["secret.d"]}
    seeds("settings-export", [json.dumps(keys), '{"Settings":{}}'], ['{"Settings":{},"Other":1}', "[]"])
    everything = """data_dir = "/var/lib/postern"
listen = "[::1]:8420"
url = "https://postern.example.org"
hosts = ["a.example", "b.example"]
trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]
access_token_life = "5m"
signing_key_max_age = "90d"
password_iterations = 700000
sandbox = "best-effort"
log = "info,postern=debug"
[backup]
every = "1d"
keep_daily = 7
[tls]
self_signed = true
[application.photos]
hosts = ["photos.example.org"]
open = ["GET /share"]
closed = ["/admin"]
upstream = "http://127.0.0.1:2342"
identity = ["Remote-User"]
headers = { X-Token = "Bearer {secret.photos}" }
[hook.pager]
events = ["PasswordRefused"]
url = "https://a.example/x"
authorization = "secret.pager"
"""
    seeds("configuration", ["", everything], ["lisen = 1", "[tls]\ncert = 1", "hosts = [1]", "listen = \"x\"", "a = [", "log = \"x[=\""])


def recovery_key():
    # The 32 bytes 0 to 31 in bech32m, by the reference implementation of BIP-350.
    key = "r1qqq-syqcy-q5rqw-zqfpg-9scrg-wpugp-zysnz-s23v9-ccryd-pk8qa-rc0sp-f2xlw"
    seeds("recovery-key", [key, key.upper().replace("-", " ")], [key[:-1], key.replace("syqcy", "sqycy"), "r2" + key[2:], ""])


for write in sealed_field, access_token, tokens, backup, certificate, requests, texts, recovery_key:
    write()
