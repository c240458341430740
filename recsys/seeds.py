"""Seeds derived by key, so that adding one random choice never shifts another.

For simulation, initialisation and evaluation only. Privacy noise never comes from here: it has its own
secure source in `recsys.privacy.mechanisms`.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(root: int, *keys: str | int) -> int:
    """A 63-bit seed from a root seed and a path of keys."""
    path = "/".join([str(root), *map(str, keys)])
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:8], "big") >> 1


def rng(root: int, *keys: str | int) -> np.random.Generator:
    """A numpy generator of its own for this root seed and path of keys."""
    return np.random.default_rng(derive_seed(root, *keys))
