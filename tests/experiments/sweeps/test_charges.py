"""Trials on real silos: told and confirmed before the start, refused over a cap, charged like any run."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from experiments.sweeps.grid import load_sweep
from experiments.sweeps.runner import SweepOptions, Watch, run_sweep
from experiments.sweeps.spec import SweepSpec
from recsys.errors import BudgetExceededError, ConfigError
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig

UNTIL = f"{WorldConfig(weeks=6).last_day - timedelta(days=10)}T00:00:00Z"
SPEC = f"""\
name = "real"
seeds = 2

[data]
source = "silos"
federation = "world/federation.toml"

[training]
until = {UNTIL}
threads = 1
copurchase = {{ top_items = 60, rank = 4 }}
towers = {{ steps = 2, embedding_dim = 4, sampling_rate = 0.2 }}
privacy.shares = {{ popularity = 0.1, copurchase = 0.3, intervals = 0.05, towers = 0.35, metrics = 0.2 }}

[grid]
epsilon = [1.0, 2.0]
"""


@pytest.fixture
def spec(world: Path) -> SweepSpec:
    path = world.parent / "real.toml"
    path.write_text(SPEC)
    return load_sweep(path)


@pytest.fixture
def options(new_output: Callable[[Path], Path], tmp_path: Path) -> SweepOptions:
    return SweepOptions(new_output(tmp_path / "out"), "real.toml", "thousandfaces experiment sweep real.toml")


def charged(world: Path) -> dict[str, float]:
    silos = FederationConfig.load(world / "federation.toml").silo_configs()
    return {
        silo.name: Ledger(silo.ledger).epsilon(silo.delta) for silo in silos if Ledger.exists(silo.ledger)
    }


def never(*_: object) -> None:
    pytest.fail("a trial ran")


def test_nothing_is_charged_before_somebody_confirms_what_is_planned(
    spec: SweepSpec, options: SweepOptions, world: Path
) -> None:
    with pytest.raises(ConfigError) as told:
        run_sweep(spec, options, run=never)
    words = str(told.value)
    assert words.startswith("4 trials will be charged in the silos' ledgers: together person-level epsilon ")
    assert words.endswith("confirm with --charge")
    assert all(f"{silo}: spent 0.000, afterwards " in words for silo in ("northmarket", "citygrocer"))
    total = float(words.split("person-level epsilon ")[1].split()[0])
    assert 2.0 < total < 2 * (1.0 + 2.0)
    assert not charged(world)
    assert not (options.folder / "sweep.json").exists()


def test_a_sweep_over_a_cap_is_refused_as_a_whole(
    spec: SweepSpec, options: SweepOptions, world: Path
) -> None:
    silo = world / "silos" / "citygrocer" / "silo.toml"
    silo.write_text(silo.read_text().replace("epsilon_cap = 8.0", "epsilon_cap = 1.9"))
    confirmed = SweepOptions(options.folder, options.source, options.command, charge=True)
    with pytest.raises(
        BudgetExceededError, match=r"'citygrocer': 4 trials would bring .* over the cap of 1\.9"
    ):
        run_sweep(spec, confirmed, run=never)
    silo.write_text(silo.read_text().replace("1.9", "8.0") + "[purpose_caps]\nevaluation = 0.5\n")
    with pytest.raises(BudgetExceededError, match=r"for purpose 'evaluation'.*over the cap of 0\.5"):
        run_sweep(spec, confirmed, run=never)
    assert not charged(world)


def test_confirmed_trials_are_charged_as_told(spec: SweepSpec, options: SweepOptions, world: Path) -> None:
    confirmed = SweepOptions(options.folder, options.source, options.command, charge=True)
    said: list[str] = []
    one = run_sweep(
        spec,
        confirmed,
        chosen=lambda trial: trial.number == 0 and trial.cell["epsilon"] == 1.0,
        watch=Watch(say=said.append),
    )
    (record,) = one.records
    assert record.error is None
    assert record.stamp == "silos with simulated data, noised and charged"
    assert set(record.figures["private"]) >= {"new_recall_at_20", "new_ndcg_at_10", "new_hit_at_10"}
    assert set(record.figures["popularity"]) == {"new_recall_at_20"}
    planned = float(said[0].split("person-level epsilon ")[1].split()[0])
    assert planned == pytest.approx(record.privacy["person_epsilon"], abs=6e-4)
    after = charged(world)
    for silo, epsilon in after.items():
        assert f"{silo}: spent 0.000, afterwards {epsilon:.3f} of 8" in said[0]
        rows = Ledger(world / "silos" / silo / "ledger.sqlite").rows()
        assert {row.details["purpose"] for row in rows if row.event} == {"training", "evaluation"}
    with pytest.raises(ConfigError, match=r"^3 trials .*northmarket: spent (?!0\.000)"):
        run_sweep(spec, options, run=never)
    assert charged(world) == after


def test_silos_that_would_measure_nothing_are_refused(spec: SweepSpec, options: SweepOptions) -> None:
    blind = spec.model_copy(update={"training": {"threads": 1}})
    with pytest.raises(ConfigError, match=r"shares\.metrics.*noised and charged sum"):
        run_sweep(blind, options, run=never)


def test_research_silos_need_their_own_confirmation(
    spec: SweepSpec, options: SweepOptions, world: Path
) -> None:
    path = world / "federation.toml"
    path.write_text(path.read_text().replace('data_kind = "simulated"', 'data_kind = "research"'))
    with pytest.raises(ConfigError, match="--research-data"):
        run_sweep(spec, options, run=never)
    path.write_text(path.read_text().replace('data_kind = "research"', 'data_kind = "production"'))
    with pytest.raises(ConfigError, match="confirm with --charge"):
        run_sweep(spec, options, run=never)
