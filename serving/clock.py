"""What time the server takes it to be."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

STALE_SECONDS = 2 * 86_400


@dataclass(frozen=True)
class Clock:
    """The system's clock, or one that is set back to where demonstration data ends and runs on from there."""

    offset_seconds: float = 0.0

    @classmethod
    def at_end_of(cls, until: datetime | None) -> Clock:
        """A clock that starts where data end, a public moment, if that is over two days ago.

        It is declared, never looked up in the data: the newest event of one customer would set everybody's
        clock.
        """
        now = time.time()
        if until is None or now - until.timestamp() <= STALE_SECONDS:
            return cls()
        return cls(offset_seconds=until.timestamp() - now)

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def seconds(self) -> float:
        """The time in Unix seconds."""
        return time.time() + self.offset_seconds
