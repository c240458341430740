"""Which data a release read, without saying anything about it: a keyed HMAC whose key stays in the silo.

A plain hash would let anyone who guesses a table test the guess; without the key the HMAC tells nothing. It
is salted by the run, so that who reads several runs' values does not learn whether the data changed between.
"""

from __future__ import annotations

import hmac
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import chain
from pathlib import Path

from recsys.errors import LedgerError

KEY_BYTES = 32


def snapshot_key(path: Path | str) -> bytes:
    """The silo's key, made from the operating system's randomness on first use, readable by its owner only.

    It appears whole or not at all, however a process that makes it dies, and of several makers one wins.
    LedgerError if others may read the file, or if it is no key.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(os.urandom(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            Path(draft).unlink()
    return _read_key(path)


def snapshot_hmac(key: bytes, run_id: str, parts: Iterable[bytes]) -> str:
    """HMAC-SHA-256 (hex) of the data that a run read, part by part; how it is cut into parts matters.

    Guarantee: without the key nothing tells it from a random number, and equal data give equal values within
    one run alone. Assumes that run ids do not repeat.
    """
    digest = hmac.new(key, digestmod="sha256")
    for part in chain([run_id.encode()], parts):
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
