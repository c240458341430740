"""Results tables in Markdown, made by the command that measured: command, commit and date stand in each."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from statistics import median

from experiments.comparison import HEADLINE, Entry
from recsys.words import NO_VALUE

OF_THIS_MACHINE = {"--data", "--results", "--output", "--work", "--bundle"}
"""Options that say where something lies: a table names it, and says nothing of the machine."""
COLUMNS = [name for name, _, _ in HEADLINE]


def write_results(path: Path, title: str, command: str, facts: Sequence[str], table: Sequence[str]) -> None:
    """Write a results file: title, what made it, facts (one line each), the table's lines."""
    made = f"Made by `{command}` at commit {commit()} on {datetime.now(UTC):%Y-%m-%d}."
    lines = [f"# {title}", "", made, "", *(f"- {fact}" for fact in facts), "", *table, ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


def commit() -> str:
    """The short hash of the commit that runs, `+` for uncommitted changes; 'unknown' outside a checkout."""
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--exclude", "*"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def command_line(*program: str) -> str:
    """The command as it was given; of the folders and files in `OF_THIS_MACHINE`, the last part alone."""
    before, shown = "", list[str]()
    for argument in sys.argv[1:]:
        option, joined, value = argument.partition("=")
        if before in OF_THIS_MACHINE:
            shown.append(Path(argument).name)
        elif joined and option in OF_THIS_MACHINE:
            shown.append(f"{option}={Path(value).name}")
        else:
            shown.append(argument)
        before = argument
    return shlex.join([*program, *shown])


def comparison_table(
    by_seed: Mapping[int, Mapping[str, Entry]], columns: Sequence[str] = COLUMNS
) -> list[str]:
    """A row per method: the median over the seeds that have a figure, and all seeds where they differ."""
    methods = list(next(iter(by_seed.values())))
    lines = [f"| method | {' | '.join(columns)} |", f"|---|{'--:|' * len(columns)}"]
    for method in methods:
        cells = [_cell([entries[method].values[name] for entries in by_seed.values()]) for name in columns]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return lines


def shown(value: float | None, form: str = ".4f") -> str:
    """A figure in a table; `-` where there is none (None or NaN). form: as in f-strings"""
    return NO_VALUE if value is None or isnan(value) else format(value, form)


def _cell(values: Sequence[float]) -> str:
    known = [value for value in values if not isnan(value)]
    middle = shown(median(known) if known else None)
    same = len({repr(value) for value in values}) == 1  # one seed, or a method that no seed changes
    return middle if same else f"{middle} ({', '.join(map(shown, values))})"
