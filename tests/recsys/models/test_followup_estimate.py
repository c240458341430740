import numpy as np
import pytest

from recsys.data.history import Histories
from recsys.errors import BundleError, ConfigError
from recsys.models.category_scope import CategoryScope
from recsys.models.followup_estimate import estimate
from recsys.models.followup_rules import FollowUp, from_fields, to_fields
from recsys.models.followups import contribution, shape
from tests.recsys.histories_builder import Row, make_histories

NAMES = ("pans", "lids", "soap", "salt", "cups", "tins")
SCOPE = CategoryScope(NAMES, np.arange(6, dtype=np.int32))
PANS, LIDS = 0, 1
DAYS = 300
LIDS_AFTER_PANS = (22, 40, 0.5)


def shop(persons: int, seed: int = 0, follow: tuple[int, int, float] | None = LIDS_AFTER_PANS) -> Histories:
    """Everybody buys a few things on random days; some who bought pans come back for lids."""
    r, told = np.random.default_rng(seed), list[list[Row]]()
    for _ in range(persons):
        one: list[Row] = [(0, 5), *((int(r.integers(1, DAYS)), int(r.integers(6))) for _ in range(3))]
        pans = [day for day, item in one if item == PANS]
        if follow and pans and r.random() < follow[2]:
            one.append((min(pans) + int(r.integers(follow[0], follow[1] + 1)), LIDS))
        told.append(one)
    return make_histories(*told)


def rules(h: Histories, std: float = 1e-9, seed: int = 0, **options: float) -> tuple[FollowUp, ...]:
    total = contribution(h, SCOPE, end=DAYS, full_cells=1.0)
    noised = total + np.random.default_rng(seed).normal(0.0, std, total.shape)
    return estimate(noised, std, NAMES, full_cells=1.0, **options)


@pytest.mark.parametrize("std", [1e-9, 4.0])
def test_a_planted_rule_is_found_with_its_window_and_chance(std: float):
    (found,) = rules(shop(6000), std)
    assert (found.bought, found.needed) == ("pans", "lids")
    assert (found.after_days, found.until_days) == (14, 60)
    assert 0.2 < found.chance < 0.6
    assert 0.0 < found.error < 0.15


def test_without_a_rule_none_is_found():
    for seed in range(5):
        assert rules(shop(1500, seed, follow=None)) == ()


def test_pure_noise_says_nothing():
    for seed in range(50):
        noise = np.random.default_rng(seed).normal(0.0, 10.0, shape(SCOPE))
        assert estimate(noise, 10.0, NAMES) == ()


def test_much_noise_hides_the_rule_and_makes_no_other():
    for seed in range(20):
        assert rules(shop(600), 100.0, seed) == ()


def test_what_follows_everything_alike_is_a_season_and_no_rule():
    """In the last third all who buy anything buy lids."""
    r, told = np.random.default_rng(1), list[list[Row]]()
    for _ in range(3000):
        one: list[Row] = [
            (0, 5),
            *((int(r.integers(1, 200)), int(r.choice([0, 2, 3, 4, 5]))) for _ in range(3)),
        ]
        if r.random() < 0.5:
            one.append((int(r.integers(200, 240)), LIDS))
        told.append(one)
    assert "lids" not in {rule.needed for rule in rules(make_histories(*told), least_chance=0.05)}


def test_small_chances_are_not_published():
    h = shop(6000)
    assert rules(h, least_chance=0.9) == ()
    assert len(rules(h, least_chance=0.1)) == 1


def test_a_chance_is_the_share_of_first_buyers():
    _, _, chance = follow = (22, 40, 0.25)
    (found,) = rules(shop(20_000, 3, follow))
    # Some had lids before, or bought them anyway: they count neither way.
    assert 0.5 * chance < found.chance < 1.1 * chance


def test_wrong_numbers_are_survived_or_named():
    broken = np.full(shape(SCOPE), np.nan)
    assert estimate(broken, 1.0, NAMES) == ()
    assert estimate(np.zeros((1, 1, 6)), 1.0, ("pans",)) == ()
    with pytest.raises(ConfigError, match="noise_std is -1"):
        estimate(np.zeros(shape(SCOPE)), -1.0, NAMES)


RULE = FollowUp("pans", "lids", 14, 30, 0.25, 0.05)


def test_rules_are_kept_as_json():
    assert from_fields(to_fields([RULE]), NAMES, "f") == (RULE,)
    assert from_fields(to_fields([]), NAMES, "f") == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "not a list of follow-ups"),
        ({"follow_ups": 3}, "not a list of follow-ups"),
        ({"follow_ups": ["a"]}, "not a list of follow-ups"),
        ({"follow_ups": [{"bought": "pans"}]}, "not a list of follow-ups"),
        ({"follow_ups": [{**vars(RULE), "chance": "high"}]}, "not a list of follow-ups"),
        ({"follow_ups": [{**vars(RULE), "chance": 1.5}]}, "is none"),
        ({"follow_ups": [{**vars(RULE), "error": float("inf")}]}, "is none"),
        ({"follow_ups": [{**vars(RULE), "until_days": 14}]}, "is none"),
        ({"follow_ups": [{**vars(RULE), "needed": "pans"}]}, "is none"),
        ({"follow_ups": [{**vars(RULE), "needed": "tea"}]}, "category 'tea' is not in the catalogue"),
    ],
)
def test_broken_rules_are_named(fields: dict[str, object], said: str):
    with pytest.raises(BundleError, match=said):
        from_fields(fields, NAMES, "followups.json")
