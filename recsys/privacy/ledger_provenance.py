"""Which code and which packages a release was made by: hashes for the ledger's rows."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path

PACKAGES = ("recsys", "training", "serving", "experiments")


@cache
def installed_version(distribution: str = "thousandfaces") -> str:
    """The installed version of a distribution, of this product if none is named; read once per process."""
    return version(distribution)


@cache
def code_hash() -> str:
    """SHA-256 (hex) over the names and contents of this product's Python files, as they are on the disk."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            for part in (path.relative_to(root).as_posix().encode(), path.read_bytes()):
                digest.update(len(part).to_bytes(8, "big"))
                digest.update(part)
    return digest.hexdigest()


@cache
def dependency_hash() -> str:
    """SHA-256 (hex) over the installed distributions, `name==version` a line, sorted."""
    names = {f"{found.metadata['Name'].lower()}=={found.version}" for found in distributions()}
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()
