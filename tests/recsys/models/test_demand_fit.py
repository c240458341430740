"""Forecasts from sums whose truth is planted: exact without noise, what is public with nothing but noise."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.errors import BundleError, ConfigError
from recsys.models.demand import SPLIT, Bounds, Scope
from recsys.models.demand_fit import SiloFacts, fit
from recsys.models.demand_forecast import DemandModel, Forecast
from recsys.models.demand_mix import unsure
from recsys.models.ratio_shrinkage import Shrunk, shrink_ratios
from tests.recsys.histories_builder import make_catalogue

N, END = 40, 700
CATALOGUE = replace(
    make_catalogue([f"c{i % 8}" for i in range(N)]), departments=tuple(f"d{i % 2}" for i in range(N))
)
POPULAR = np.random.default_rng(0).dirichlet(np.full(N, 2.0))
BOUNDS = Bounds(max_areas=3)
SCOPE = Scope.of(CATALOGUE, POPULAR, BOUNDS, END)
AREAS = ("", "east", "west")
SHARES = np.array([0.1, 0.6, 0.3, 0.0])
WEEKLY = {"north": 40_000.0, "south": 15_000.0}


def planted(silo: str, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, SiloFacts]:
    """A silo's exact vector, its item shares, and what is public of it."""
    carried = random.random(N) < 0.8
    share = np.where(carried, POPULAR * np.exp(random.normal(0.0, 0.2, N)), 0.0)
    share /= share.sum()
    units = WEEKLY[silo] * BOUNDS.weeks * share
    by_department = np.bincount(SCOPE.departments, units)
    spread = np.tile([1.5, 1.0], 3) * WEEKLY[silo]
    raw = [
        units * SCOPE.weights,
        np.bincount(SCOPE.groups, units, SCOPE.lengths[1]),
        np.outer(by_department, SHARES).ravel(),
        np.full(BOUNDS.recent_weeks, WEEKLY[silo]),
        spread,
    ]
    norms = (BOUNDS.items, BOUNDS.groups, BOUNDS.areas, BOUNDS.level, BOUNDS.spread)
    scaled = [part * part_share**0.5 / norm for part, part_share, norm in zip(raw, SPLIT, norms, strict=True)]
    return np.concatenate(scaled), share, SiloFacts(AREAS, carried)


@pytest.fixture(scope="module")
def world():
    random = np.random.default_rng(1)
    return {silo: planted(silo, random) for silo in WEEKLY}


def fitted(world, noise_std: float, seed: int = 2) -> DemandModel:
    random = np.random.default_rng(seed)
    sums = {
        silo: exact + random.normal(0, 1, len(exact)) * noise_std for silo, (exact, _, _) in world.items()
    }
    arrays = fit(sums, noise_std, SCOPE, POPULAR, {silo: facts for silo, (_, _, facts) in world.items()})
    model = DemandModel.from_arrays(arrays, CATALOGUE)
    assert model is not None
    return model


def test_without_noise_forecasts_are_what_was_sold(world):
    model = fitted(world, 0.0)
    for silo, (_, share, _) in world.items():
        found = model.forecast(silo, 14)
        truth = 2 * WEEKLY[silo] * np.outer(SHARES[:3], share)
        assert found.areas == AREAS
        assert np.allclose(found.expected, truth, rtol=0.03, atol=1.0)
    assert model.dispersion == pytest.approx(np.full(3, 1.5))


def test_with_nothing_but_noise_forecasts_are_what_is_public(world):
    model = fitted(world, 1e9)
    for silo, (_, _, facts) in world.items():
        mix = model.forecast(silo, 7).expected.sum(axis=0)
        assert not mix[~facts.carried].any()
        public = np.where(facts.carried, POPULAR, 0.0)
        assert np.corrcoef(mix, public)[0, 1] > 0.8
        assert np.isfinite(model.forecast(silo, 7).high).all()


def test_noise_makes_intervals_wider_and_forecasts_worse(world):
    def apart(model: DemandModel) -> tuple[float, float]:
        found = {silo: model.forecast(silo, 7) for silo in WEEKLY}
        wide = sum(float((f.high - f.low).sum()) for f in found.values())
        truth = {s: WEEKLY[s] * np.outer(SHARES[:3], share) for s, (_, share, _) in world.items()}
        return wide, sum(float(np.abs(f.expected - truth[s]).sum()) for s, f in found.items())

    (exact_width, exact_error), (width, error) = apart(fitted(world, 0.0)), apart(fitted(world, 20.0))
    assert exact_width < width
    assert exact_error < error < 0.2 * sum(WEEKLY.values())


def test_what_all_silos_know_counts_only_where_a_silo_leans_on_it():
    noise, common = np.array([1.0, 1.0, 4.0]), np.full(3, 0.01)
    own = Shrunk(np.full(3, 10.0), np.array([1.0, 0.0, 2.0]))  # leans on nothing, on all, on half of it
    assert unsure(own, noise, common) == pytest.approx(np.array([0.01, 0.01, 0.02 + 0.0025]))


def test_groups_that_bounds_cut_differently_make_intervals_wider(world):
    def errors(cut: np.ndarray) -> float:
        begin, length = SCOPE.lengths[0], SCOPE.lengths[1]
        changed = {}
        for silo, (exact, share, facts) in world.items():
            vector = np.array(exact)
            vector[begin : begin + length] *= cut
            changed[silo] = (vector, share, facts)
        return float(fitted(changed, 0.1).mix_error.mean())

    straight = errors(np.ones(SCOPE.lengths[1]))
    assert errors(np.full(SCOPE.lengths[1], 0.8)) == pytest.approx(straight, rel=0.3)
    uneven = errors(np.where(np.arange(SCOPE.lengths[1]) % 2 == 0, 0.8, 1.2))
    assert uneven > straight + 0.03


def test_a_farther_horizon_leaves_more_room_for_a_level_that_moves(world):
    model = fitted(world, 0.0)
    near, far = (model.forecast("north", days) for days in (7.0, 364.0))

    def width(f: Forecast) -> float:
        top = np.argmax(f.expected)
        return float((f.high.ravel()[top] - f.low.ravel()[top]) / f.expected.ravel()[top])

    by_chance = width(near) / 52**0.5  # how buyers by chance alone would even out
    assert width(far) > 2 * by_chance


def test_intervals_hold_the_units_of_buyers_who_come_by_chance(world):
    model, random = fitted(world, 2.0), np.random.default_rng(3)
    inside = []
    for silo, (_, share, _) in world.items():
        mean = WEEKLY[silo] / 20 * np.outer(SHARES[:3], share)  # cells of all sizes
        found = model.forecast(silo, 7 / 20)
        units = random.negative_binomial(np.maximum(mean / 0.5, 1e-9), 1 / 1.5)  # variance 1.5 x mean
        kept = mean > 5.0
        inside.append(((units >= found.low) & (units <= found.high))[kept])
    assert 0.76 < np.concatenate(inside).mean() < 0.92


def test_a_horizon_scales_the_mean_and_the_bounds_hold_it(world):
    model = fitted(world, 2.0)
    one, two = (model.forecast("north", days) for days in (7.0, 14.0))
    assert np.allclose(two.expected, 2 * one.expected)

    def ordered(f: Forecast) -> bool:
        some = f.expected > 1.0
        return bool((f.low[some] < f.expected[some]).all() and (f.expected[some] < f.high[some]).all())

    assert ordered(one)
    assert ordered(two)
    assert (one.low >= 0).all()


def test_the_rest_of_a_silo_sells_nothing_unless_it_shows(world):
    exact, _, facts = world["north"]
    only_areas = np.array(exact)
    begin, length = sum(SCOPE.lengths[:2]), SCOPE.lengths[2]
    cube = only_areas[begin : begin + length].reshape(-1, SCOPE.slots)
    cube[:, 0] = 0.0
    random = np.random.default_rng(4)
    noised = only_areas + random.normal(0, 0.01, len(exact))
    model = DemandModel.from_arrays(fit({"n": noised}, 0.01, SCOPE, POPULAR, {"n": facts}), CATALOGUE)
    assert model is not None
    rest = model.forecast("n", 7).expected[0]
    assert rest.sum() <= 0.01 * model.level[0] * 7


@pytest.mark.parametrize("noise_std", [0.0, 0.5])
def test_weeks_before_a_silo_opened_do_not_lower_its_level(world, noise_std: float):
    exact, _, facts = world["north"]
    opened = np.array(exact)
    begin = sum(SCOPE.lengths[:3])
    opened[begin + 3 : begin + BOUNDS.recent_weeks] = 0.0  # it opened three weeks ago
    noised = opened + np.random.default_rng(5).normal(0, 1, len(exact)) * noise_std
    model = DemandModel.from_arrays(fit({"n": noised}, noise_std, SCOPE, POPULAR, {"n": facts}), CATALOGUE)
    assert model is not None
    assert 7 * model.level[0] == pytest.approx(WEEKLY["north"], rel=0.02)


def test_what_is_asked_wrongly_is_refused(world):
    model = fitted(world, 0.0)
    with pytest.raises(ConfigError, match="silo 'west' has no demand forecast; there are north, south"):
        model.forecast("west", 7)
    for days in (0.0, -1.0, 400.0, float("nan")):
        with pytest.raises(ConfigError, match="horizon"):
            model.forecast("north", days)


def test_arrays_that_misfit_are_refused(world):
    sums = {silo: exact for silo, (exact, _, _) in world.items()}
    arrays = fit(sums, 0.0, SCOPE, POPULAR, {silo: facts for silo, (_, _, facts) in world.items()})
    assert DemandModel.from_arrays({}, CATALOGUE) is None
    with pytest.raises(BundleError, match="no array 'level'"):
        DemandModel.from_arrays({k: v for k, v in arrays.items() if k != "level"}, CATALOGUE)
    with pytest.raises(BundleError, match="do not fit"):
        DemandModel.from_arrays(arrays | {"mix": arrays["mix"][:, 1:]}, CATALOGUE)
    with pytest.raises(BundleError, match="not finite"):
        DemandModel.from_arrays(arrays | {"level": np.array([np.nan, 1.0])}, CATALOGUE)
    for text in (b"{", b"[]", b'{"silos": [], "end": 1}', b'{"silos": [["a", []]], "end": 1}'):
        with pytest.raises(BundleError, match=r"places|areas"):
            DemandModel.from_arrays(arrays | {"places": np.frombuffer(text, np.uint8)}, CATALOGUE)


def test_shrinkage_without_noise_and_with_nothing_else():
    expected, values = np.full(50, 10.0), np.linspace(1.0, 30.0, 50)
    assert np.allclose(shrink_ratios(values, expected, np.zeros(50)).mean, values, rtol=1e-6)
    lost = shrink_ratios(values, expected, np.full(50, 1e12))
    assert np.allclose(lost.mean, expected, rtol=1e-3)
    negative = shrink_ratios(-values, expected, np.full(50, 1.0))
    assert (negative.mean > 0).all()
    assert (negative.variance >= 0).all()


@pytest.mark.parametrize("empty", [["north"], ["north", "south"]])
def test_a_silo_that_carries_nothing_spoils_no_forecast(world, empty: list[str]) -> None:
    none = np.zeros(N, bool)
    changed = {
        silo: (exact, share, SiloFacts(AREAS, none) if silo in empty else facts)
        for silo, (exact, share, facts) in world.items()
    }
    model = fitted(changed, 1.0)
    assert not model.forecast("north", 7.0).expected.any()
