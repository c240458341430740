"""The page of the evidence: made from the rows alone, so that a page that differs was edited by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from experiments.evidence.rows import Row, State, ordered
from recsys.words import counted

COMMAND = "make evidence"
STALE = "stale"
SECONDS_AN_HOUR = 3600


def render(rows: Sequence[Row]) -> str:
    """The page in Markdown: facts, a table of the rows, tests that are no more, and a hash of the rows."""
    kept = ordered(row for row in rows if row.state is not State.GONE)
    lines = [
        "# Privacy evidence",
        "",
        f"Made by `{COMMAND}` from `privacy_evidence.jsonl`; not to be edited.",
        "",
    ]
    lines += [f"- {fact}" for fact in _facts(kept)]
    lines += ["", "| what | bar | measured | commit | state | test |", "|---|---|---|---|---|---|"]
    lines += [_line(row) for row in kept]
    if gone := sorted({row.test for row in rows if row.state is State.GONE}):
        lines += ["", "Dropped, since their tests are no more:", "", *(f"- `{test}`" for test in gone)]
    return "\n".join([*lines, "", f"Rows: SHA-256 {rows_hash(rows)}", ""])


def rows_hash(rows: Sequence[Row]) -> str:
    """SHA-256 over the rows' digests, in order."""
    return hashlib.sha256("\n".join(row.digest for row in ordered(rows)).encode()).hexdigest()


def _facts(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return ["no rows yet"]
    commits, days = sorted({row.commit for row in rows}), sorted({row.date[:10] for row in rows})
    stale = sum(row.state is State.STALE for row in rows)
    took = {(row.part, row.date): row.seconds for row in rows}
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return [
        f"{counted(len(rows), 'row')}, measured at {', '.join(commits)} (`+`: with uncommitted changes) "
        f"on {when} in {sum(took.values()) / SECONDS_AN_HOUR:.1f} hours of {counted(len(took), 'part')}",
        "every row's bars were asserted by its test, at the full counts that the claim asks for; limits and "
        "values that are numbers were asserted and printed from the same numbers",
        f"{counted(stale, 'row is', 'rows are')} stale: the code that the test reaches has changed since",
        "made with synthetic customers and simulated worlds alone: nobody's budget was spent",
    ]


def _line(row: Row) -> str:
    state = STALE if row.state is State.STALE else ""
    cells = [row.what, row.bar, row.measured, row.commit, state, f"`{row.test}`"]
    return f"| {' | '.join(_cell(text) for text in cells)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
