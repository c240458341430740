"""Where the bench lies, and its catalogue, which is read once."""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from pathlib import Path

from recsys.data.vocab import Catalogue
from recsys.silos.config import FederationConfig
from recsys.silos.files import read_catalogue

MEMORY = Path("/dev/shm")  # noqa: S108  a new folder in it, closed to others


class OnceRead(FederationConfig):
    """A federation whose catalogue is read once in a process, however many nodes there are."""

    def read_catalogue(self) -> Catalogue:
        """The public catalogue."""
        return _catalogue(self.catalogue)


@lru_cache(maxsize=8)
def _catalogue(path: Path) -> Catalogue:
    return read_catalogue(path)


@lru_cache(maxsize=1)
def folder() -> tempfile.TemporaryDirectory[str]:
    """The process's folder, gone with the process."""
    # Ledgers wait for the disk at every row; in memory checks take half the time.
    place = str(MEMORY) if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="thousandfaces-audit-", dir=place)
