#!/usr/bin/env python3
"""A second, independent reader and writer of sealed fields: docs/formats/sealed-field-v1.md, and nothing else.

    read_sealed_field.py open DB TABLE COLUMN ROWKEY --password-file F < field     > plaintext
    read_sealed_field.py seal DB TABLE COLUMN ROWKEY --password-file F < plaintext > field
    read_sealed_field.py testkit FOLDER

ROWKEY is JSON: 7, "text", {"blob": "00ff"}, or a list of these. --key-file F opens a key-file slot. Needs Python 3.9 and
the package cryptography. For people who want their data back without our program, and for our tests.
"""

import argparse
import hashlib
import hmac
import json
import os
import pathlib
import sqlite3
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305


class Refused(Exception):
    """What the format calls it."""


def lp(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand to one block of SHA-256 (RFC 5869 section 2.3)."""
    return hmac.new(key, info + b"\x01", hashlib.sha256).digest()


def gcm_open(key: bytes, aad: bytes, sealed: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """draft-irtf-cfrg-xchacha-03 section 2.2."""
    state = list(struct.unpack("<4I", b"expand 32-byte k") + struct.unpack("<8I", key) + struct.unpack("<4I", nonce))

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            mixed = state[z] ^ state[x]
            state[z] = ((mixed << turn) | (mixed >> (32 - turn))) & 0xFFFFFFFF

    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(*column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*diagonal)
    return struct.pack("<8I", *(state[:4] + state[12:]))


class AesGcm:
    nonce_len = 12

    def __init__(self, key: bytes):
        self.aead = AESGCM(key)

    def seal(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        return self.aead.encrypt(nonce, data, aad)

    def open(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        return self.aead.decrypt(nonce, data, aad)


class XChaCha:
    nonce_len = 24

    def __init__(self, key: bytes):
        self.key = key

    def inner(self, nonce: bytes):
        return ChaCha20Poly1305(hchacha20(self.key, nonce[:16])), bytes(4) + nonce[16:]

    def seal(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        aead, short = self.inner(nonce)
        return aead.encrypt(short, data, aad)

    def open(self, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        aead, short = self.inner(nonce)
        return aead.decrypt(short, data, aad)


CIPHERS = {1: AesGcm, 2: XChaCha}


def row_key(value) -> bytes:
    if isinstance(value, bool) or value is None:
        raise SystemExit("a row key is an integer, a text, a blob or a list of these")
    if isinstance(value, int):
        return b"\x01" + struct.pack(">q", value)
    if isinstance(value, str):
        return b"\x02" + lp(value.encode())
    if isinstance(value, dict):
        return b"\x03" + lp(bytes.fromhex(value["blob"]))
    return b"\x04" + struct.pack(">I", len(value)) + b"".join(map(row_key, value))


class Keys:
    """Install id and data keys: number -> (algorithm, state, key or None)."""

    def __init__(self, install_id: bytes, keys: dict):
        self.install_id = install_id
        self.keys = keys

    def context(self, header: bytes, table: str, column: str, row: bytes):
        version, algorithm, number = struct.unpack(">BBI", header)
        names = lp(table.encode()) + lp(column.encode())
        aad = b"fieldcrypt/v1/field" + header + self.install_id + names + lp(row)
        key = self.keys[number][2]
        return CIPHERS[algorithm](expand(key, b"fieldcrypt/v1/column" + names)), aad

    def open(self, table: str, column: str, row: bytes, field: bytes) -> bytes:
        if len(field) < 6:
            raise Refused("not sealed")
        version, algorithm, number = struct.unpack(">BBI", field[:6])
        if version != 1:
            raise Refused("unknown version")
        if algorithm not in CIPHERS:
            raise Refused("unknown algorithm")
        nonce_len = CIPHERS[algorithm].nonce_len
        if len(field) < 6 + nonce_len + 16:
            raise Refused("not sealed")
        if number not in self.keys:
            raise Refused("unknown key")
        of_key, state, key = self.keys[number]
        if key is None:
            raise Refused("key destroyed")
        if of_key != algorithm:
            raise Refused("authentication failed")
        cipher, aad = self.context(field[:6], table, column, row)
        try:
            return cipher.open(field[6 : 6 + nonce_len], field[6 + nonce_len :], aad)
        except InvalidTag:
            raise Refused("authentication failed") from None

    def seal(self, table: str, column: str, row: bytes, plaintext: bytes) -> bytes:
        number, (algorithm, _, _) = next((n, k) for n, k in self.keys.items() if k[1] == "active")
        header = struct.pack(">BBI", 1, algorithm, number)
        cipher, aad = self.context(header, table, column, row)
        nonce = os.urandom(cipher.nonce_len)
        return header + nonce + cipher.seal(nonce, plaintext, aad)


def unlock(database: sqlite3.Connection, kind: str, secret: bytes) -> Keys:
    (form, install_id) = database.execute("SELECT format, install_id FROM fieldcrypt_install WHERE id = 1").fetchone()
    if form != 1:
        raise SystemExit(f"format {form} is unknown here")
    slots = database.execute(
        "SELECT id, kdf_iterations, salt, commitment, wrapped_master FROM fieldcrypt_slots WHERE kind = ?", (kind,)
    )
    for slot, iterations, salt, commitment, wrapped in slots:
        if kind == "password":
            if not 600_000 <= iterations <= 10_000_000:
                raise SystemExit(f"slot {slot} was altered")
            slot_secret = hashlib.pbkdf2_hmac("sha256", secret, salt, iterations)
        else:
            slot_secret = hmac.new(b"", secret, hashlib.sha256).digest()
        if not hmac.compare_digest(expand(slot_secret, b"fieldcrypt/v1/slot/commit" + salt), commitment):
            continue
        aad = b"fieldcrypt/v1/slot/master" + struct.pack(">q", slot) + install_id
        master = gcm_open(expand(slot_secret, b"fieldcrypt/v1/slot/wrap" + salt), aad, wrapped)
        wrap = expand(master, b"fieldcrypt/v1/keyring/wrap")
        keys = {}
        rows = database.execute("SELECT number, purpose, algorithm, state, wrapped_key FROM fieldcrypt_keys")
        for number, purpose, algorithm, state, wrapped_key in rows:
            if purpose != "data":
                continue
            aad = b"fieldcrypt/v1/keyring/key" + struct.pack(">IB", number, algorithm) + install_id + lp(purpose.encode())
            keys[number] = (algorithm, state, None if state == "destroyed" else gcm_open(wrap, aad, wrapped_key))
        return Keys(install_id, keys)
    raise SystemExit("no key slot opens with this secret")


def testkit(folder: pathlib.Path) -> None:
    """Runs every case of the folder; says how many."""
    cases = sorted(folder.glob("*.json"))
    for path in cases:
        case = json.loads(path.read_text())
        keys = {
            int(number): (key["algorithm"], key["state"], bytes.fromhex(key["key"]) if "key" in key else None)
            for number, key in case["keys"].items()
        }
        vault = Keys(bytes.fromhex(case["install_id"]), keys)
        try:
            opened = vault.open(case["table"], case["column"], row_key(case["row"]), bytes.fromhex(case["field"]))
            found = "success"
            if opened != bytes.fromhex(case["plaintext"]):
                raise SystemExit(f"{path.name}: another plaintext: {opened.hex()}")
        except Refused as refused:
            found = str(refused)
        if found != case["expect"]:
            raise SystemExit(f"{path.name}: expected {case['expect']}, found {found}")
    print(len(cases))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["open", "seal", "testkit"])
    parser.add_argument("place", help="the database, or the folder of the testkit")
    parser.add_argument("where", nargs="*", metavar="TABLE COLUMN ROWKEY")
    parser.add_argument("--password-file", type=pathlib.Path)
    parser.add_argument("--key-file", type=pathlib.Path)
    given = parser.parse_args()
    # draft-irtf-cfrg-xchacha-03 section 2.2.1: the one primitive that is our own here.
    subkey = hchacha20(bytes(range(32)), bytes.fromhex("000000090000004a0000000031415927"))
    assert subkey.hex() == "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    if given.act == "testkit":
        return testkit(pathlib.Path(given.place))
    table, column, row = given.where
    if given.key_file:
        kind, secret = "key-file", given.key_file.read_bytes()
    else:
        kind, secret = "password", given.password_file.read_bytes().removesuffix(b"\n")
    database = sqlite3.connect(f"file:{given.place}?mode=ro", uri=True)
    vault = unlock(database, kind, secret)
    act = vault.open if given.act == "open" else vault.seal
    try:
        result = act(table, column, row_key(json.loads(row)), sys.stdin.buffer.read())
    except Refused as refused:
        raise SystemExit(str(refused)) from None
    sys.stdout.buffer.write(result)


if __name__ == "__main__":
    main()
