"""Counts in words, and the one form for no value, for whatever a person reads."""

from __future__ import annotations

NO_VALUE = "-"
"""What a cell of a table says that has nothing to say."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """'1 row', '2,000 rows'. many: the plural, where it is not `one` with an s"""
    return f"{number:,} {noun(number, one, many)}"


def noun(number: int, one: str, many: str | None = None) -> str:
    """The noun alone, as it stands after that number."""
    return one if number == 1 else many or f"{one}s"
