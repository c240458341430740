"""One part of the evidence in a process of its own: its rows if it passed, or why nothing is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from experiments.evidence.parts import Part, pytest_command
from experiments.evidence.rows import Row
from experiments.evidence.sources import Sources

RESULTS = "experiments/results"
"""Rows and pages land here while parts run: they are no change of the code."""


@dataclass(frozen=True)
class Outcome:
    """What came of a part. problem: why nothing is kept of it, or empty; log: its whole output"""

    part: Part
    rows: tuple[Row, ...]
    problem: str
    log: Path
    seconds: float


@dataclass
class Runner:
    """Runs parts of one checkout; `stop` ends those that run, whatever they started included."""

    root: Path
    work: Path
    packages: tuple[str, ...]
    _running: set[int] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _stopped: bool = False

    def run(self, part: Part) -> Outcome:
        """Run a part at full counts; the folder `work` holds its log."""
        log, file = self.work / f"{part.name}.log", self.work / f"{part.name}.{os.getpid()}.jsonl"
        file.unlink(missing_ok=True)
        before, commit, begin = self._fingerprint(part), commit_of(self.root), time.monotonic()
        code = self._pytest([*part.tests, "--full-counts", "--evidence", str(file)], log)
        seconds = time.monotonic() - begin
        measured = _lines(file)
        file.unlink(missing_ok=True)
        named = {row["test"] for row in measured}
        silent = [test for test in part.tests if test not in named]
        if code:
            return Outcome(part, (), f"failed (exit code {code})", log, seconds)
        if silent:
            return Outcome(part, (), f"no row was recorded by {silent[0]}", log, seconds)
        if self._fingerprint(part) != before:
            return Outcome(part, (), "the code changed while it ran", log, seconds)
        told = {
            "fingerprint": before,
            "commit": commit,
            "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "part": part.name,
            "seconds": round(seconds, 1),
        }
        rows = tuple(Row(**row | {"bars": tuple(row["bars"])} | told).sealed() for row in measured)
        return Outcome(part, rows, "", log, seconds)

    def stop(self) -> None:
        """End what runs, at once; nothing more is started."""
        with self._lock:
            self._stopped = True
            for group in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

    def _pytest(self, arguments: list[str], log: Path) -> int:
        with log.open("w", encoding="utf-8") as output:
            with self._lock:
                if self._stopped:
                    return -signal.SIGKILL
                child = subprocess.Popen(  # noqa: S603
                    [*pytest_command(), *arguments],
                    cwd=self.root,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                self._running.add(child.pid)
            code = child.wait()
            with self._lock:
                self._running.discard(child.pid)
        return code

    def _fingerprint(self, part: Part) -> str:
        return Sources(self.root, self.packages).fingerprint(part.file)


def commit_of(root: Path) -> str:
    """The short hash of the commit, `+` for changes that are in none (results apart); or 'unknown'."""
    try:
        head = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", f":(exclude){RESULTS}")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}+" if changed else head


def _git(root: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    return ended.stdout.strip()


def _lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
