"""Children forked from this warmed process, so that a kill costs milliseconds; they tell what they do."""

from __future__ import annotations

import os
import select
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass

HANGS_AFTER = 1800

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Child:
    """A forked process and the reading end of the pipe that it tells on."""

    pid: int
    pipe: int

    def wait_until_it_tells(self) -> None:
        """Wait for its first line."""
        select.select([self.pipe], [], [])

    def kill(self) -> None:
        """kill -9, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> tuple[list[list[str]], int]:
        """All that it told before it ended (the words of each line), and its exit code; -9 if killed."""
        with os.fdopen(self.pipe) as told:
            lines = [line.split() for line in told if line.endswith("\n")]
        return lines, os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(work: Callable[[Tell], None]) -> Child:
    """Run `work` in a child. A line told is in the pipe whole, however the child dies afterwards."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    signal.alarm(HANGS_AFTER)
    try:
        work(lambda line: _write(writing, line))
    except BaseException:  # noqa: BLE001  nothing may run the parent's code on: not even its test runner
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _write(pipe: int, line: str) -> None:
    os.write(pipe, f"{line}\n".encode())
