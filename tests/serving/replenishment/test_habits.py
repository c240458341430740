from datetime import UTC, datetime, timedelta

import numpy as np

from serving.replenishment.calendar import local_days
from serving.replenishment.habits import Habit, weekly_habit

FRIDAY = int(datetime(2026, 3, 6, tzinfo=UTC).timestamp()) // 86_400


def habit(*days: int) -> Habit | None:
    return weekly_habit(np.array([FRIDAY + day for day in days], np.int32))


def test_four_fridays_are_a_habit_and_three_are_not() -> None:
    assert habit(0, 7, 14, 21) == Habit(4, 1.0, 4)
    assert habit(0, 7, 14) is None
    assert habit() is None
    assert habit(0, 0, 0, 0, 7, 7) is None  # two days
    found = habit(0, 7, 14, 21, 28, 36)
    assert found is not None
    assert (found.name, round(found.share, 2)) == ("Friday", 0.83)


def test_chance_is_no_habit() -> None:
    assert habit(0, 7, 14, 22) is None  # 3 of 4: too likely by chance
    assert habit(0, 8, 16, 24, 32, 40, 48) is None
    assert habit(*range(26)) is None
    random = np.random.default_rng(0)
    found = sum(
        weekly_habit(random.choice(400, 8, replace=False).astype(np.int32)) is not None for _ in range(400)
    )
    assert found < 0.05 * 400


def test_old_days_do_not_hide_a_new_habit() -> None:
    assert habit(*range(-2000, -1000, 5), *(7 * week for week in range(26))) == Habit(4, 1.0, 26)


def test_daylight_saving_moves_no_weekday() -> None:
    """Fridays at half past midnight in Berlin: Thursday evening in UTC, at two different hours."""
    start = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)
    winter = [start + timedelta(weeks=week) for week in range(4)]  # to 26 March
    summer = [start + timedelta(weeks=week, hours=-1) for week in range(4, 8)]
    times = np.array([int(one.timestamp()) for one in winter + summer])
    assert weekly_habit(local_days(times, "Europe/Berlin")) == Habit(4, 1.0, 8)
    assert weekly_habit(local_days(times, "UTC")) == Habit(3, 1.0, 8)
