"""SQLAlchemy-Utils' side of the comparison: for each line with a number, seals and opens 200 characters that often with
its engine for AES-GCM, and prints the seconds it took. Driven by `benches/src/field.rs`."""

import sys
import time

from sqlalchemy_utils.types.encrypted.encrypted_type import AesGcmEngine

engine = AesGcmEngine()
engine._update_key("a field password of some length")
plain = "x" * 200
for line in sys.stdin:
    begun = time.perf_counter()
    for _ in range(int(line)):
        if engine.decrypt(engine.encrypt(plain)) != plain:
            sys.exit("not what it was")
    print(time.perf_counter() - begun, flush=True)
