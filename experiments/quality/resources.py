"""The peak resident memory of this process and all its children, sampled while something runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

EVERY_SECONDS = 0.2


@dataclass
class Peak:
    """bytes: the largest sum over the process tree that was seen."""

    bytes: int = 0

    @property
    def megabytes(self) -> float:
        """In units of 2**20 bytes."""
        return self.bytes / 2**20


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the process tree from a thread of its own."""
    peak, stop, me = Peak(), threading.Event(), psutil.Process()

    def watch() -> None:
        while True:
            peak.bytes = max(peak.bytes, _tree(me))
            if stop.wait(EVERY_SECONDS):
                return

    thread = threading.Thread(target=watch, name="peak-memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _tree(me: psutil.Process) -> int:
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return total
