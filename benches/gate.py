#!/usr/bin/env python3
"""The gate beside its peers: one run, interleaved, medians of the ratios of neighbours.

Usage: benches/gate.py [rounds] [seconds]      (Debian packages: nginx-light, caddy, haproxy, wrk, curl)

Servers run on the first core, the load on the last. CPU is that of all processes of the one under test (proc(5)).
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
BULK_MIB = 1024
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
POSTERN = os.environ.get("BENCH_POSTERN", os.path.join(ROOT, "target", "release", "postern"))
HOST = "bench.test"
PASSWORD = "a password for measuring with"
CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = {CORES[0]}, {CORES[-1]}
TICK = os.sysconf("SC_CLK_TCK")
CHILDREN = []


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(command, address=None, **more):
    child = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, SERVER), **more)
    CHILDREN.append(child)
    while address:
        try:
            socket.create_connection(address.split(":")).close()
            break
        except OSError:
            if child.poll() is not None:
                sys.exit(f"{command} ended")
            time.sleep(0.02)
    return child.pid


def cpu(pid):
    """Seconds of the processor that a process and its living children took."""
    total = 0
    for each in [pid, *map(int, open(f"/proc/{pid}/task/{pid}/children").read().split())]:
        fields = open(f"/proc/{each}/stat").read().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def nginx(folder, name, servers):
    """An nginx of one worker, as its peers here have one core."""
    at = os.path.join(folder, name)
    os.mkdir(at)
    temporary = "".join(f"{kind}_temp_path {at}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;\n" if os.getuid() == 0 else ""
    with open(f"{at}/nginx.conf", "w") as file:
        file.write(
            f"{user}daemon off; worker_processes 1; pid {at}/pid; error_log {at}/log;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; sendfile on; keepalive_requests 1000000;\n{temporary}{servers}\n}}\n"
        )
    first = re.search(r"listen (\S+);", servers)[1]
    return start(["nginx", "-e", "stderr", "-c", f"{at}/nginx.conf"], first, stderr=subprocess.DEVNULL)


class Postern:
    def __init__(self, folder, upstream):
        self.folder = folder
        with open(os.path.join(folder, "postern.toml"), "w") as file:
            file.write(
                f'trusted_proxies = ["127.0.0.1"]\n[application.bench]\nhosts = ["{HOST}"]\nupstream = "http://{upstream}"\n'
            )
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            "XDG_DATA_HOME": os.path.join(folder, "data"), "XDG_CONFIG_HOME": os.path.join(folder, "config"),
            "POSTERN_CONFIG": os.path.join(folder, "postern.toml"), "POSTERN_LISTEN": self.address,
            "POSTERN_LOG": "error", "PATH": "/usr/bin:/bin",
        }
        self.pid = start([POSTERN, "serve"], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        while not CHILDREN[-1].stdout.readline().startswith(b"listening on"):
            pass
        self.run(["password", "set", "--quiet", "--password-file", "-"], input=PASSWORD.encode())
        self.cookie = self.sign_in()

    def run(self, arguments, **more):
        return subprocess.run([POSTERN, *arguments], env=self.environment, check=True, capture_output=True, **more).stdout

    def ask(self, method, path, headers, body=None):
        connection = http.client.HTTPConnection(self.address)
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json", **headers} if body else headers)
        answer = connection.getresponse()
        return answer, answer.read()

    def sign_in(self):
        """The gate cookie of a browser on the application's host."""
        for _ in range(20):
            answer, body = self.ask("POST", "/api/v1/auth/login", {}, {"Password": PASSWORD, "RememberMe": True})
            if answer.status == 200:
                break
            time.sleep(0.2)
        bearer = {"Authorization": "Bearer " + json.loads(body)["AccessToken"]}
        page = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        challenge, _ = self.ask("GET", "/gate/verify", {**forwarded(), **page})
        to, state = (urllib.parse.parse_qs(urllib.parse.urlsplit(challenge.getheader("Location")).query)[key][0] for key in ("to", "state"))
        _, body = self.ask("POST", "/api/v1/gate/handoff", bearer, {"To": to, "State": state})
        accept = urllib.parse.urlsplit(json.loads(body)["Location"])
        kept = challenge.getheader("Set-Cookie").split(";")[0]
        entered, _ = self.ask("GET", f"{accept.path}?{accept.query}", {"Host": HOST, "Cookie": kept})
        return next(value.split(";")[0] for name, value in entered.getheaders() if name.lower() == "set-cookie")

    def recipe(self, kind, listen):
        files = json.loads(self.run(["gate", "recipe", kind, "bench", "--listen", listen, "--json"]))["Files"]
        return files[0]["Text"]


def forwarded():
    return {"X-Forwarded-Method": "GET", "X-Forwarded-Proto": "http", "X-Forwarded-Host": HOST, "X-Forwarded-Uri": "/"}


def load(address, path, headers, pid):
    """Requests a second, and microseconds of the processor for each."""
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", f"http://{address}{path}"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    before = cpu(pid)
    run = subprocess.run(command, preexec_fn=lambda: os.sched_setaffinity(0, CLIENT), check=True, capture_output=True, text=True).stdout
    spent = cpu(pid) - before
    if "Non-2xx" in run or "Socket errors" in run:
        sys.exit(f"{address} {path}: {run}")
    count = int(re.search(r"(\d+) requests in", run)[1])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", run)[1]), spent / count * 1e6


def bulk(address, headers):
    """MiB a second of one download."""
    command = ["curl", "-sf", "-o", "/dev/null", f"http://{address}/bulk"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    begun = time.monotonic()
    subprocess.run(command, preexec_fn=lambda: os.sched_setaffinity(0, CLIENT), check=True)
    return BULK_MIB / (time.monotonic() - begun)


def row(what, goal, pairs, met, unit):
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    ours, theirs = (statistics.median(side) for side in zip(*pairs))
    print(f"| {what} | {goal} | {ratio:.2f}× ({ours:,.1f} against {theirs:,.1f} {unit}) | {'met' if met(ratio) else '**missed**'} |", flush=True)


def interleaved(one, other):
    """Neighbours, each first in turn; the first pair warms up."""
    pairs = []
    for number in range(ROUNDS + 1):
        if number % 2:
            pairs.append((one(), other()))
        else:
            theirs = other()
            pairs.append((one(), theirs))
    return pairs[1:]


def jwt(secret):
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    text = encode(b'{"alg":"HS256","typ":"JWT"}') + b"." + encode(json.dumps({"sub": "owner", "exp": 4102444800}).encode())
    return (text + b"." + encode(hmac.new(secret.encode(), text, hashlib.sha256).digest())).decode()


def main():
    folder = tempfile.mkdtemp()
    at = lambda name: os.path.join(folder, name)
    files = at("files")
    os.mkdir(files)
    with open(os.path.join(files, "bulk"), "wb") as file:
        for _ in range(BULK_MIB):
            file.write(os.urandom(4096) * 256)
    application, bare, plain, quick = (f"127.0.0.1:{free_port()}" for _ in range(4))
    nginx(folder, "application", f'server {{ listen {application}; location = /bulk {{ root {files}; }} location / {{ return 200 "an answer"; }} }}')
    # Caddy's recipe takes 200 alone for a yes; with a 204 it would answer that itself.
    nginx(folder, "bare", f'server {{ listen {bare}; location / {{ if ($http_x_original_url = "") {{ return 200 ""; }} return 204; }} }}')
    quick_pid = nginx(folder, "quick", f"server {{ listen {quick}; return 204; }}")
    proxy_pid = nginx(
        folder, "plain",
        f'upstream app {{ server {application}; keepalive 16; }} server {{ listen {plain}; '
        f'location / {{ proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }} }}',
    )
    postern = Postern(folder, application)
    browser = {"Host": HOST, "Cookie": postern.cookie}

    print("| what | goal | measured | |\n|---|---|---|---|")
    for kind in ("nginx", "caddy"):
        fronts = []
        for asked in (postern.address, bare):
            listen = f"127.0.0.1:{free_port()}"
            text = postern.recipe(kind, listen).replace(postern.address, asked)
            name = f"{kind}-{'postern' if asked == postern.address else 'bare'}"
            if kind == "nginx":
                pid = nginx(folder, name, text)
            else:
                with open(at(name), "w") as file:
                    file.write(f"{{\n\tadmin off\n\tauto_https off\n}}\n{text}")
                home = {"HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder, "PATH": "/usr/bin:/bin", "GOMAXPROCS": "1"}
                pid = start(["caddy", "run", "--adapter", "caddyfile", "--config", at(name)], listen, env=home, stderr=subprocess.DEVNULL)
            fronts.append((listen, pid))
        (ours, ours_pid), (theirs, theirs_pid) = fronts
        pairs = interleaved(lambda: load(ours, "/", browser, ours_pid)[0], lambda: load(theirs, "/", browser, theirs_pid)[0])
        row(f"requests a second through {kind} that asks Postern, against one that asks an nginx of a bare `return`", "≥ 0.93×", pairs, lambda r: r >= 0.93, "a second")

    secret, checked = "0123456789abcdef0123456789abcdef", f"127.0.0.1:{free_port()}"
    with open(at("haproxy.cfg"), "w") as file:
        file.write(
            "global\n nbthread 1\n maxconn 1000\ndefaults\n mode http\n timeout client 30s\n timeout connect 5s\n timeout server 30s\n"
            f"frontend checked\n bind {checked}\n"
            f' http-request deny unless {{ http_auth_bearer,jwt_verify("HS256","{secret}") -m int 1 }}\n http-request return status 204\n'
        )
    haproxy = start(["haproxy", "-db", "-f", at("haproxy.cfg")], checked, stderr=subprocess.DEVNULL)
    question = {**forwarded(), "Cookie": postern.cookie}
    bearer = {"Authorization": f"Bearer {jwt(secret)}"}
    for peer, goal, address, headers, pid in (
        ("nginx's `return 204`", 1.15, quick, {"Host": HOST}, quick_pid),
        ("HAProxy's `jwt_verify` of HS256", 0.7, checked, bearer, haproxy),
    ):
        runs = interleaved(lambda: load(postern.address, "/gate/verify", question, postern.pid), lambda: load(address, "/", headers, pid))
        rates = [statistics.median(run[side][0] for run in runs) for side in (0, 1)]
        pairs = [(ours[1], theirs[1]) for ours, theirs in runs]
        unit = f"µs; {rates[0]:,.0f} against {rates[1]:,.0f} requests a second"
        row(f"processor time of a decision of the gate, against {peer}", f"≤ {goal}×", pairs, lambda r: r <= goal, unit)

    pairs = interleaved(lambda: load(postern.address, "/", browser, postern.pid)[0], lambda: load(plain, "/", {"Host": HOST}, proxy_pid)[0])
    row("requests a second through Postern's own proxy, session checked, against nginx `proxy_pass`", "≥ 0.6×", pairs, lambda r: r >= 0.6, "a second")
    pairs = interleaved(lambda: bulk(postern.address, browser), lambda: bulk(plain, {"Host": HOST}))
    row("one download of 1 GiB, the same two", "≥ 0.8×", pairs, lambda r: r >= 0.8, "MiB/s")
    shutil.rmtree(folder)


try:
    main()
finally:
    for child in CHILDREN:
        child.terminate()
        child.wait()
