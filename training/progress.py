"""How a run tells what it is doing: a callable, so that terminal, demo and tests each show it their way."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Progress = Callable[[str, int, int], None]
"""Called with the stage, how much of it is done, and of how much."""

TITLES = {
    "plan": "calibrating the privacy plan",
    "silos": "meeting the silos",
    "popularity": "noised popularity",
    "intervals": "noised purchase intervals",
    "rhythm": "rhythms of buying again, noised gradients",
    "season": "noised days of purchase by month",
    "followups": "noised follow-ups",
    "demand": "noised units by item and store area",
    "copurchase": "noised co-purchase",
    "factors": "shrinking and factoring co-purchase",
    "towers": "two-tower training, noised gradients",
    "receipts": "collecting receipts",
    "bundle": "writing the bundle",
    "tracking": "recording the run",
}


def silent(_stage: str, _done: int, _total: int) -> None:
    """Show nothing."""


def plain(stream: TextIO) -> Progress:
    """One line per stage and per tenth of it: for logs and scripts."""

    def show(stage: str, done: int, total: int) -> None:
        if done == total or (done * 10) // total > ((done - 1) * 10) // total:
            print(f"{stage} {done}/{total} {TITLES.get(stage, '')}".rstrip(), file=stream, flush=True)

    return show


@contextmanager
def shown(stream: TextIO | None = None) -> Iterator[Progress]:
    """A live display on a terminal, plain lines elsewhere; always on stderr."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield plain(stream)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=Console(file=stream)) as bars:
        tasks = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(TITLES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show
