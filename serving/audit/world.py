"""A silo's server in this process, with its clock stopped and what it logs kept."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from serving import clock
from serving.app import app_of
from serving.audit.asgi import Answer, Call, InProcess
from serving.clock import Clock
from serving.loading import load_state
from serving.settings import Settings

LATER = timedelta(days=30)
"""Servers start so long after the moment: a demonstration's clock is set back from there."""


@dataclass(frozen=True)
class StoppedClock(Clock):
    """A clock that stands at a moment, so that answers of two servers can be compared."""

    at: float = 0.0

    def seconds(self) -> float:
        """Always the same."""
        return self.at


class Kept(logging.Handler):
    """All that is logged, as text, less the folder's name, in which two copies of a silo differ."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self._folder = str(folder.resolve())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        self.lines.append(f"{record.name} {record.levelname} {self.format(record)}".replace(self._folder, ""))


class Server:
    """One silo served: what it answers to calls, and what it logs from its start on.

    started_at: what its own clock, that of a demonstration, said when it had been loaded; Unix seconds
    """

    def __init__(self, bundle: Path, silo: Path, now: datetime) -> None:
        """Raises what `load_state` raises."""
        self._logs, self._root = Kept(silo.parent), logging.getLogger()
        self._logging(on=True)
        try:
            settings = Settings(bundle=bundle, silo=silo, demo=True, demo_clock=True)
            with patch.object(clock, "time", SimpleNamespace(time=(now + LATER).timestamp)):
                loaded = load_state(settings)
                self.started_at = loaded.clock.seconds()
            self.state = replace(loaded, clock=StoppedClock(at=now.timestamp()))
            self._client = InProcess(app_of(self.state))
        finally:
            self._logging(on=False)

    @property
    def logs(self) -> list[str]:
        """What was logged so far."""
        return self._logs.lines

    def ask(self, calls: Iterable[Call]) -> list[Answer]:
        """The answers, in order."""
        self._logging(on=True)
        try:
            return [self._client.ask(call) for call in calls]
        finally:
            self._logging(on=False)

    def close(self) -> None:
        """End the server."""
        self._client.close()

    def _logging(self, *, on: bool) -> None:
        """From the least important line on: what is not shown today may be tomorrow."""
        (self._root.addHandler if on else self._root.removeHandler)(self._logs)
        logging.getLogger("thousandfaces").setLevel(logging.DEBUG if on else logging.NOTSET)
