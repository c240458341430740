"""What one check of the privacy kernel found: a figure that was measured, and the bound it has to keep."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One measured figure. `ok` says whether it keeps its bound.

    check: the check's name; measured, bound: the figure and the limit, in the words' units; nan where the
    check has none; words: one line for a reader
    """

    check: str
    ok: bool
    measured: float
    bound: float
    words: str

    @classmethod
    def refused(cls, check: str, error: Exception) -> Finding:
        """The kernel itself refused to release: what ran was not what was charged."""
        return cls(check, False, math.nan, math.nan, f"refused by the kernel: {error}")
