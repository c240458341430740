from datetime import UTC, date, datetime

import numpy as np
import pytest

from recsys.errors import ConfigError
from serving.replenishment.calendar import as_date, local_days, moment_of, weekdays

BERLIN = "Europe/Berlin"


def day(moment: datetime, timezone: str = BERLIN, ahead: float = 0.0) -> date:
    return as_date(int(local_days(np.array([int(moment.timestamp())]), timezone, ahead)[0]))


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        (datetime(2026, 3, 28, 23, 30, tzinfo=UTC), date(2026, 3, 29)),  # the night the clocks go forward
        (datetime(2026, 3, 29, 22, 30, tzinfo=UTC), date(2026, 3, 30)),  # 00:30 summer time
        (datetime(2026, 10, 24, 22, 30, tzinfo=UTC), date(2026, 10, 25)),
        (datetime(2026, 10, 25, 22, 30, tzinfo=UTC), date(2026, 10, 25)),  # 23:30 winter time
    ],
)
def test_days_are_those_on_the_wall(utc: datetime, local: date) -> None:
    assert day(utc) == local


def test_days_ahead_are_days_on_the_wall() -> None:
    late = datetime(2026, 3, 30, 22, 30, tzinfo=UTC)  # 31 March 00:30; 72 hours earlier it was 27 March 23:30
    assert day(late, ahead=3) == date(2026, 3, 28)


def test_weekdays_start_with_monday() -> None:
    days = local_days(
        np.array([int(datetime(2026, 3, 2 + n, 12, tzinfo=UTC).timestamp()) for n in range(7)]), BERLIN
    )
    assert weekdays(days).tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_day_is_its_first_moment_here() -> None:
    assert moment_of("2026-03-29", BERLIN) == datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp()
    assert moment_of("2026-03-30", BERLIN) == datetime(2026, 3, 29, 22, tzinfo=UTC).timestamp()
    assert moment_of("2026-03-30T08:00", BERLIN) == datetime(2026, 3, 30, 6, tzinfo=UTC).timestamp()
    assert moment_of("2026-03-30T08:00+00:00", BERLIN) == datetime(2026, 3, 30, 8, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "1999-01-01", "2150-01-01", "12"])
def test_what_is_no_date_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="2026-03-02"):
        moment_of(text, BERLIN)
