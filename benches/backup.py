#!/usr/bin/env python3
"""Backups of a database of 1 GiB, beside what they are compared with: one run, interleaved, medians.

Usage: benches/backup.py [MiB] [rounds]      (Debian packages: sqlite3, age)
"""

import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

MIB = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 3
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
POSTERN = os.environ.get("BENCH_POSTERN", os.path.join(ROOT, "target", "release", "postern"))


def timed(command, **more):
    """Wall time in seconds and peak memory in MiB of a command."""
    begun, peak = time.monotonic(), 0
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **more)
    # Not `ru_maxrss`: that remembers the process which the command was started from, this one (getrusage(2)).
    while child.poll() is None:
        peak = max(peak, high_water(child.pid))
        time.sleep(0.005)
    if child.returncode != 0:
        sys.exit(f"{command} failed")
    return time.monotonic() - begun, peak / 1024


def high_water(pid):
    """The most KiB that a process had resident so far; 0 when it has just ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def fill(database):
    """Random rows, as sealed fields look. A table of its own: only the length counts here."""
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE filler (id INTEGER PRIMARY KEY, bytes BLOB)")
    rows = MIB * 256
    connection.execute(
        "INSERT INTO filler WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " SELECT i, randomblob(4000) FROM n",
        (rows,),
    )
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def backup_api(database, target):
    """SQLite's backup API alone, in one step, on disk when it returns."""
    begun = time.monotonic()
    source, copy = sqlite3.connect(database), sqlite3.connect(target)
    source.backup(copy, pages=-1)
    copy.close()
    with open(target, "rb") as file:
        os.fsync(file.fileno())
    took = time.monotonic() - begun
    source.close()
    return took


class Server:
    def __init__(self, environment, password_file):
        self.log = tempfile.TemporaryFile()
        self.child = subprocess.Popen([POSTERN, "serve"], env=environment, stdout=subprocess.PIPE, stderr=self.log)
        for line in self.child.stdout:
            if line.startswith(b"listening on http://"):
                self.address = line.split(b"//")[1].strip().decode()
                break
        with open(password_file, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write("a password for measuring with")
        subprocess.run([POSTERN, "password", "set", "--password-file", password_file], env=environment, check=True, capture_output=True)
        token = subprocess.run(
            [POSTERN, "token", "--password-file", password_file, "--url", f"http://{self.address}"],
            env=environment, check=True, capture_output=True,
        )
        self.token = token.stdout.decode().strip()

    def stop(self):
        self.child.terminate()
        self.child.wait()

    def p99(self, until):
        """The 99th percentile of a verified request's time, in ms, 200 requests a second until that."""
        connection = http.client.HTTPConnection(self.address)
        headers = {"Authorization": f"Bearer {self.token}"}
        times = []
        while not until():
            begun = time.monotonic()
            connection.request("GET", "/api/v1/settings/max_sessions", headers=headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"the server answered {answer.status}")
            times.append(time.monotonic() - begun)
            time.sleep(0.005)
        return statistics.quantiles(times, n=100)[98] * 1000


def main():
    if not os.path.exists(POSTERN):
        subprocess.run(["cargo", "build", "--release", "-p", "postern"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        at = lambda name: os.path.join(folder, name)
        environment = {"XDG_DATA_HOME": at("data"), "XDG_CONFIG_HOME": at("config"), "POSTERN_LISTEN": "127.0.0.1:0", "PATH": "/usr/bin:/bin"}
        subprocess.run(["age-keygen", "-o", at("identity")], check=True, capture_output=True)
        public = subprocess.run(["age-keygen", "-y", at("identity")], check=True, capture_output=True).stdout.decode().strip()
        server = Server(environment, at("password"))
        database = at("data/postern/postern.sqlite")
        create = [POSTERN, "backup", "create", at("ours.age"), "--recipient", public, "--quiet"]
        server.stop()
        fill(database)
        ours, theirs, api, memory = [], [], [], 0
        for _ in range(ROUNDS):
            took, peak = timed(create, env=environment)
            ours.append(took)
            memory = max(memory, peak)
            first, _ = timed(["sqlite3", database, f".backup '{at('copy.sqlite')}'"])
            second, _ = timed(["age", "-r", public, "-o", at("theirs.age"), at("copy.sqlite")])
            theirs.append(first + second)
            os.remove(at("copy.sqlite")), os.remove(at("theirs.age"))
            api.append(backup_api(database, at("api.sqlite")))
            os.remove(at("api.sqlite")), os.remove(at("ours.age"))
        # Another install's server is verified against while this one is copied: the same machine, the same disk.
        other = dict(environment, XDG_DATA_HOME=at("other"), XDG_CONFIG_HOME=at("other-config"))
        server = Server(other, at("password"))
        end = time.monotonic() + 5
        idle = server.p99(lambda: time.monotonic() > end)
        done = threading.Event()

        def work():
            timed(create, env=environment)
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        busy = server.p99(done.is_set)
        thread.join()
        server.stop()
        mid = statistics.median
        print(f"{os.path.getsize(database) / 2**20:.0f} MiB, {ROUNDS} rounds: ours {rounded(ours)}, theirs {rounded(theirs)}, the API {rounded(api)} s", file=sys.stderr)
        print("| what | goal | measured | |\n|---|---|---|---|")
        ratio = mid(t / o for t, o in zip(theirs, ours))
        row("`backup create` to a public key, read back and verified, against `sqlite3 .backup` and then `age -r`", "≥ 1.5×", f"{ratio:.2f}× as fast ({mid(ours):.1f} s against {mid(theirs):.1f} s)", ratio >= 1.5)
        ratio = mid(a / o for a, o in zip(api, ours))
        row("the same, against SQLite's backup API alone", "≥ 0.9×", f"{ratio:.2f}× (against {mid(api):.2f} s)", ratio >= 0.9)
        row("peak memory of `backup create`", "≤ 24 MiB", f"{memory:.1f} MiB", memory <= 24)
        row("p99 of verification beside it, against idle", "≤ 2×", f"{busy / idle:.2f}× ({busy:.2f} ms against {idle:.2f} ms)", busy <= 2 * idle)


def rounded(times):
    return [round(time, 2) for time in times]


def row(what, goal, measured, met):
    print(f"| {what} | {goal} | {measured} | {'met' if met else '**missed**'} |")


main()
