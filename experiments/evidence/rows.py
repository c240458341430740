"""Rows of the evidence and the file that keeps them: sorted JSON lines, each with a digest of its fields."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from experiments.evidence.bars import Bar
from recsys.errors import ConfigError


class State(StrEnum):
    """A row against the code: of this code, of older code, or of a test that is no more."""

    FRESH = "fresh"
    STALE = "stale"
    GONE = "gone"


@dataclass(frozen=True)
class Row:
    """One measured row.

    bar, measured: as the table shows them; bars: the numbers of both that the test asserted (may be none)
    fingerprint: of the code it was measured on; commit: short hash, `+` with uncommitted changes
    date: when its part ended, ISO, UTC; part, seconds: the part that measured it, and how long that took
    digest: over all of these; state: how it stood when the page was last made
    """

    what: str
    bar: str
    measured: str
    bars: tuple[Mapping[str, Any], ...]
    test: str
    fingerprint: str
    commit: str
    date: str
    part: str
    seconds: float
    digest: str = ""
    state: State = State.FRESH

    @property
    def file(self) -> str:
        """The test's file."""
        return self.test.partition("::")[0]

    def computed_digest(self) -> str:
        """SHA-256 over all fields but itself and the state."""
        fields = asdict(self) | {"bars": [dict(bar) for bar in self.bars]}
        measured = {name: value for name, value in fields.items() if name not in {"digest", "state"}}
        return hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()

    def sealed(self) -> Row:
        """This row with its digest."""
        return replace(self, digest=self.computed_digest())

    def problems(self) -> list[str]:
        """What is wrong with the row by itself: edited, or a bar that is missed or not the one shown."""
        found = [] if self.digest == self.computed_digest() else ["was edited: its digest does not fit"]
        for fields in self.bars:
            bar = Bar(**fields)
            if not bar.holds:
                found.append(f"breaks its own bar: {bar.measured}, bar: {bar.words}")
            if bar.words not in self.bar or bar.measured not in self.measured:
                found.append(
                    f"shows another bar or value than was asserted: {bar.measured}, bar: {bar.words}"
                )
        return found


def read_rows(file: Path) -> list[Row]:
    """The kept rows; none without the file. Raises ConfigError if it holds anything else."""
    if not file.exists():
        return []
    try:
        return [_row(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{file}: no rows of evidence ({error}); restore it, or delete it and measure"
        ) from None


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """Replace the file at once: whoever is killed leaves the old rows or the new ones."""
    lines = [json.dumps(asdict(row), sort_keys=True, ensure_ascii=False) for row in ordered(rows)]
    write_whole(file, "".join(f"{line}\n" for line in lines))


def ordered(rows: Iterable[Row]) -> list[Row]:
    """By what was measured, then by test."""
    return sorted(rows, key=lambda row: (row.what, row.test))


def write_whole(file: Path, text: str) -> None:
    """Write a file under another name and move it into its place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def _row(line: str) -> Row:
    fields = json.loads(line)
    row = Row(**fields | {"bars": tuple(fields["bars"]), "state": State(fields["state"])})
    for bar in row.bars:
        Bar(**bar)
    return row
