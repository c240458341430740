"""The silo's calendar: days and weekdays as its customers live them, daylight saving included."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.history import SECONDS_PER_DAY
from recsys.errors import ConfigError

FIRST, FAR = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2100))
WRITE = "write a day such as 2026-03-02, or a moment such as 2026-03-02T08:00+01:00, between 2000 and 2100"


def local_days(times: NDArray[np.int64], timezone: str, ahead_days: float = 0.0) -> NDArray[np.int32]:
    """The local day of moments, or so many days earlier at the same local time; days since 1970, [n].

    times: Unix seconds; timezone: IANA name. An hour that daylight saving skips or repeats moves no day.
    """
    clock = pc.local_timestamp(pa.array(np.clip(times, -FAR, FAR), pa.timestamp("s", tz=timezone)))
    wall = np.asarray(clock.cast(pa.int64()).to_numpy(zero_copy_only=False))
    days: NDArray[np.int32] = ((wall - round(ahead_days * SECONDS_PER_DAY)) // SECONDS_PER_DAY).astype(
        np.int32
    )
    return days


def weekdays(days: NDArray[np.int32]) -> NDArray[np.int64]:
    """Monday 0 to Sunday 6 of days since 1970, which began with a Thursday; int64 of the same length."""
    return (days.astype(np.int64) + 3) % 7


def as_date(day: int) -> date:
    """A day since 1970 as a date."""
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date()


def moment_of(text: str, timezone: str) -> int:
    """The moment that a text names, Unix seconds: a day is its first moment in the silo's time zone.

    A time without an offset is the silo's local time. Raises ConfigError for anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"the date {text!r} is none; {WRITE}") from None
    if not 2000 <= moment.year < 2100:
        raise ConfigError(f"the date {text!r} is out of range; {WRITE}")
    return int((moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))).timestamp())
