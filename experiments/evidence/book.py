"""The kept rows and their page: brought up to date with the code, and checked against it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.evidence.page import render
from experiments.evidence.rows import Row, State, read_rows, write_rows, write_whole
from experiments.evidence.sources import PACKAGES, ROOT, Sources

HINT = "run: make evidence"


@dataclass(frozen=True)
class Book:
    """The evidence of one checkout: its rows (JSON lines) and its page (Markdown)."""

    root: Path = ROOT
    packages: tuple[str, ...] = PACKAGES

    @property
    def rows_file(self) -> Path:
        """Where the rows are kept."""
        return self.root / "experiments" / "results" / "privacy_evidence.jsonl"

    @property
    def page_file(self) -> Path:
        """Where the page is."""
        return self.root / "experiments" / "results" / "privacy_evidence.md"

    def rows(self) -> list[Row]:
        """The kept rows, as they stood when they were last written."""
        return read_rows(self.rows_file)

    def judged(self, rows: Iterable[Row], tests: Collection[str]) -> list[Row]:
        """The rows with their states against the code on the disk. tests: those that record rows now"""
        sources, now, known = Sources(self.root, self.packages), dict[str, str](), set(tests)
        judged = []
        for row in rows:
            if row.test not in known:
                judged.append(replace(row, state=State.GONE))
                continue
            if row.file not in now:
                now[row.file] = sources.fingerprint(row.file)
            fresh = row.fingerprint == now[row.file]
            judged.append(replace(row, state=State.FRESH if fresh else State.STALE))
        return judged

    def write(self, rows: Sequence[Row], tests: Collection[str]) -> list[Row]:
        """Keep the rows with their present states, and make the page of them; the rows as kept."""
        judged = self.judged(rows, tests)
        write_rows(self.rows_file, judged)
        write_whole(self.page_file, render(judged))
        return judged

    def wanting(self, tests: Sequence[str]) -> list[str]:
        """The tests that have no row, or a row that is stale or not as it was measured."""
        rows = self.judged(self.rows(), tests)
        good = {row.test for row in rows if row.state is State.FRESH and not row.problems()}
        bad = {row.test for row in rows if row.state is State.STALE or row.problems()}
        return [test for test in tests if test not in good - bad]

    def edits(self) -> list[str]:
        """What in rows and page was not made by the command; nothing where no row was ever kept."""
        rows = self.rows()
        if not rows:
            return []
        found = [f"{row.what} ({row.test}) {problem}" for row in rows for problem in row.problems()]
        page = self.page_file.read_text(encoding="utf-8") if self.page_file.exists() else ""
        if page != render(rows):
            found.append(f"{self.page_file.name} is not what the rows of {self.rows_file.name} make")
        return found

    def open_points(self, tests: Sequence[str]) -> list[str]:
        """All that stands between the evidence and a release: edits, stale rows, tests without a row."""
        rows = self.rows()
        judged = self.judged(rows, tests)
        named, found = {row.test for row in rows}, self.edits()
        found += [f"{row.what} ({row.test}) is stale" for row in judged if row.state is State.STALE]
        found += [f"{test} has no row" for test in tests if test not in named]
        if rows and not found and judged != rows:
            found.append(f"{self.page_file.name} shows states that are no longer so")
        return found
