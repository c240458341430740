"""`make evidence`: run the parts whose rows are missing or stale, some at a time, and keep what passed."""

from __future__ import annotations

import fcntl
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from experiments.evidence.book import Book
from experiments.evidence.parts import Part, parts_of
from experiments.evidence.runs import Outcome, Runner
from recsys.errors import ConfigError
from recsys.words import counted

WORK = ".thousandfaces/evidence"

Tell = Callable[[str], None]


def measure(
    book: Book, tests: Sequence[str], only: str, jobs: int, forget: bool, tell: Tell
) -> list[Outcome]:
    """Run the parts that are wanting, rows and page written after each; the parts that failed.

    only: part of the names of the parts to run; jobs: how many at a time
    forget: drop the rows of tests that are no more
    Killed at any time, the rows of all parts that ended are kept, and the next call goes on with the others.
    """
    work = book.root / WORK
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work / "lock"):
        _sweep(work)
        parts, begin, failed = wanting(book, tests, only), time.monotonic(), list[Outcome]()
        rows = book.write([row for row in book.rows() if not forget or row.test in tests], tests)
        tell(f"{counted(len(rows), 'row')} kept; {counted(len(parts), 'part')} to run; logs in {WORK}")
        with _ended(Runner(book.root, work, book.packages), parts, jobs) as outcomes:
            for number, outcome in enumerate(outcomes, start=1):
                if outcome.problem:
                    failed.append(outcome)
                else:
                    replaced = set(outcome.part.tests)
                    rows = book.write([*(r for r in rows if r.test not in replaced), *outcome.rows], tests)
                kept = outcome.problem or counted(len(outcome.rows), "row")
                tell(
                    f"part {number} of {len(parts)}, {outcome.part.name}: {kept} in {outcome.seconds:.0f} s; "
                    f"{counted(len(rows), 'row')} kept, elapsed {time.monotonic() - begin:.0f} s"
                )
    return failed


def wanting(book: Book, tests: Sequence[str], only: str = "") -> list[Part]:
    """The parts to run: those of the tests without a fresh row, whose names or tests contain `only`."""
    parts = parts_of(book.wanting(tests))
    return [part for part in parts if only in part.name or any(only in test for test in part.tests)]


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One command at a time writes the rows; the lock ends with its process, however that ends."""
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{lock}: held by another run of the evidence; wait for it or end it") from None
        yield


def _sweep(work: Path) -> None:
    """Remove what a killed command left: rows of parts that never ended."""
    for left in work.glob("*.jsonl"):
        left.unlink()


@contextmanager
def _ended(runner: Runner, parts: Sequence[Part], jobs: int) -> Iterator[Iterator[Outcome]]:
    """What comes of the parts, as they end; those that run are ended if this command is."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    with ThreadPoolExecutor(jobs) as pool:
        try:
            running = [pool.submit(runner.run, part) for part in parts]
            yield (ended.result() for ended in as_completed(running))
        except BaseException:
            runner.stop()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
