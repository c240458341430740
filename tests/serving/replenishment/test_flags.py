import numpy as np

from recsys.data.history import EventType
from recsys.features.price_tiers import price_tiers
from serving.replenishment.flags import dormant, price_sensitive
from tests.recsys.bundle_builder import DAY, NOW, make_catalogue, make_history

TIERS = price_tiers(make_catalogue(60))  # prices rise with the number; 12 items in each of 5 categories


def test_price_sensitive_is_who_buys_what_is_cheap_for_its_kind() -> None:
    cheap, dear = [(item, item) for item in range(5)], [(item, item) for item in range(55, 60)]
    assert price_sensitive(make_history(*cheap), TIERS).tolist() == [True]
    assert price_sensitive(make_history(*dear), TIERS).tolist() == [False]
    assert price_sensitive(make_history(*cheap[:4]), TIERS).tolist() == [False]
    assert price_sensitive(make_history(*cheap[:3], *dear[:3]), TIERS).tolist() == [False]
    assert price_sensitive(make_history(*((0, d, EventType.VIEW) for d in range(9))), TIERS).tolist() == [
        False
    ]
    assert price_sensitive(make_history(*cheap), np.full(60, -1)).tolist() == [False]


def test_dormant_is_who_stayed_away_longer_than_usual() -> None:
    weekly = [(0, 7 * week) for week in range(10)]
    assert dormant(make_history(*weekly), NOW + 30 * DAY).tolist() == [False]
    assert dormant(make_history(*weekly), NOW + 61 * DAY).tolist() == [True]
    monthly = [(0, 30 * month) for month in range(4)]
    assert dormant(make_history(*monthly), NOW + 80 * DAY).tolist() == [False]
    assert dormant(make_history(*monthly), NOW + 91 * DAY).tolist() == [True]
    assert dormant(make_history((0, 0)), NOW + 179 * DAY).tolist() == [False]
    assert dormant(make_history((0, 0)), NOW + 181 * DAY).tolist() == [True]
    assert dormant(make_history(), NOW).tolist() == [False]
    assert dormant(make_history((0, 0, EventType.VIEW)), NOW + 400 * DAY).tolist() == [False]
