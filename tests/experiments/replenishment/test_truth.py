"""The world's own law is right about the world, and our dates are measured beside it."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.replenishment.dates import date_figures
from experiments.replenishment.figures import method_figures
from experiments.replenishment.outcomes import Outcomes, mean_ends
from experiments.replenishment.truth import run_truth
from experiments.replenishment.truth_report import LAW, METHODS, TruthOptions
from experiments.replenishment.world import TrueWorld, make_true_world
from recsys.errors import ConfigError
from recsys.silos.simulator.config import WorldConfig


@pytest.fixture(name="world", scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory) -> TrueWorld:
    config = WorldConfig.disjoint(2, persons=800, n_items=240)
    return make_true_world(config, tmp_path_factory.mktemp("truth") / "world")


def test_the_law_is_calibrated_and_covers(world: TrueWorld) -> None:
    lives = world.lives[world.judged]
    following, law = world.next[world.judged][lives], world.law.where(lives)
    assert len(following) > 1_000
    outcomes = Outcomes.of(world.pairs.customers[world.judged][lives], following, world.config.horizon_days)
    for column, horizon in enumerate((3, 7, 14, 30)):
        excess = law.chances[:, column] - (following < horizon)
        low, high = mean_ends(excess, outcomes.rows, outcomes.draws())
        assert abs(excess.mean()) < 1.3 * (high - low)  # five standard errors over customers
    found = date_figures(law, outcomes, outcomes.draws())
    assert found["coverage_80"][0] == pytest.approx(0.8, abs=0.04)
    assert (law.low <= law.expected).all()
    assert (law.expected <= law.high).all()


def test_who_learns_the_cycles_knows_less_than_the_law(world: TrueWorld) -> None:
    lives = world.lives[world.judged]
    following = world.next[world.judged][lives]
    outcomes = Outcomes.of(world.pairs.customers[world.judged][lives], following, world.config.horizon_days)
    law, learned = (
        method_figures(forecast.where(lives), outcomes, {}, private=False, seconds=0.0, chosen={}).values
        for forecast in (world.law, world.learned)
    )
    for name in ("mae_restricted_days", "log_loss_14"):
        assert law[name] < learned[name] < 1.3 * law[name]
    assert learned["auc_14"] < law["auc_14"]
    assert learned["coverage_80"] == pytest.approx(0.8, abs=0.04)


def test_no_other_constant_date_shift_is_nearer(world: TrueWorld) -> None:
    lives = world.lives[world.judged]
    outcomes = Outcomes.of(world.pairs.customers[world.judged][lives], world.next[world.judged][lives], 56)

    def error(shift: float) -> float:
        law = world.law.where(lives)
        moved = replace(law, expected=law.expected + shift)
        return date_figures(moved, outcomes, outcomes.draws())["mae_restricted_days"][0]

    assert error(0.0) < min(error(-4.0), error(4.0))


def test_a_small_run() -> None:
    found = run_truth(TruthOptions(persons=300, items=240, silos=2, epsilon=4.0), [0], command="bench")
    figures = found.by_seed[0]
    assert tuple(figures) == METHODS
    assert figures[LAW].values["mae_over_law"] == 1.0
    assert figures[LAW].values["from_law_days"] == 0.0
    assert all(
        f.values["log_loss_14"] > figures[LAW].values["log_loss_14"] for f in list(figures.values())[1:]
    )
    assert found.epsilon <= 4.0
    whole, lives = found.pairs[0]
    assert 0 < lives < whole
    assert np.isfinite(found.to_dict()["methods"]["private"]["mae_days"])
    assert any(line.startswith("| private ") for line in found.table())


def test_options_are_named() -> None:
    with pytest.raises(ConfigError, match="--persons 5"):
        TruthOptions(persons=5)
    with pytest.raises(ConfigError, match="--silos 0"):
        TruthOptions(silos=0)
