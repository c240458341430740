"""Which data a release read, without saying anything about it: a keyed HMAC whose key stays in the silo.

A plain hash would let anyone who guesses a table test the guess; without the key the HMAC tells nothing.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from pathlib import Path

from recsys.errors import LedgerError

KEY_BYTES = 32


def snapshot_key(path: Path | str) -> bytes:
    """The silo's key, made from the operating system's randomness on first use, readable by its owner only.

    LedgerError if others may read the file, or if it is no key.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return _read_key(path)
    with os.fdopen(descriptor, "wb") as file:
        key = os.urandom(KEY_BYTES)
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key


def snapshot_hmac(key: bytes, parts: Iterable[bytes]) -> str:
    """HMAC-SHA-256 (hex) of the data read, part by part; how it is cut into parts matters."""
    digest = hmac.new(key, digestmod="sha256")
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _read_key(path: Path) -> bytes:
    if path.stat().st_mode & 0o077:
        raise LedgerError(f"{path}: others may read the snapshot key; run: chmod 600 {path}")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise LedgerError(f"{path}: {len(key)} bytes are no snapshot key; restore it or move it away")
    return key
