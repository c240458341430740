"""What is new is new to training, and nothing that is new is an error."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from experiments.coldstart.customers import first_purchases, measure_new_customers
from experiments.coldstart.drift import WEEK, measure_drift, shoppers_of
from experiments.coldstart.items import measure_new_items, new_item_buyers
from experiments.coldstart.options import SIZES, ColdStartOptions
from experiments.coldstart.section import Section, counts_before, markdown
from experiments.coldstart.silos import ALONE, FEDERATION, WITHOUT, gains, measure_silos
from experiments.coldstart.world import ColdWorld, SiloSide, make_cold_world
from experiments.quality.cli import bench
from recsys.data.contracts import Table
from recsys.data.history import Histories, Ordering
from recsys.errors import ConfigError
from recsys.recommend.pipeline import Recommender
from recsys.silos.config import FederationConfig
from tests.recsys.bundle_builder import build_bundle
from training.config import SiloSettings, TrainingConfig
from training.loading import load

OPTIONS = ColdStartOptions(persons=400, items=200, weeks=8, weeks_ahead=2, sample=15)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ColdWorld:
    return make_cold_world(OPTIONS, 0, tmp_path_factory.mktemp("cold") / "world")


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    """Of the world's size; what it knows does not matter here."""
    return Recommender(build_bundle(n_items=OPTIONS.items))


def test_new_customers_train_nothing_and_new_items_have_no_past(world: ColdWorld) -> None:
    federation = FederationConfig.load(world.federation("all", list(SIZES), epsilon_cap=4.0))
    settings: SiloSettings = TrainingConfig(until=OPTIONS.until(0)).silo_settings(ordered=True)
    assert world.new_items.sum() == round(OPTIONS.new_items * OPTIONS.items)
    for config, side in zip(federation.silo_configs(), world.silos, strict=True):
        data = load(config.base_silo(), world.catalogue, settings, max_silos_per_person=1, silos=4)
        assert not world.new_items[data.dataset.histories.items].any()
        assert data.dataset.histories.times.max() < world.cutoff
        assert side.never.any()
        everybody = len(config.base_silo().read(Table.CUSTOMERS))
        assert len(data.dataset.customer_ids) <= everybody - side.never.sum()
    later = [side.histories.where(side.histories.times >= world.cutoff) for side in world.silos]
    assert any(world.new_items[h.items].any() for h in later)


def test_every_training_has_ledgers_of_its_own(world: ColdWorld) -> None:
    paths = [world.federation(name, ["small"], epsilon_cap=4.0) for name in ("one", "two")]
    ledgers = {FederationConfig.load(path).silo_configs()[0].ledger for path in paths}
    assert len(ledgers) == 2


def test_known_are_the_first_purchases(world: ColdWorld) -> None:
    histories = world.silos[0].histories
    assert not len(first_purchases(histories, 0).items)
    three, every = first_purchases(histories, 3), first_purchases(histories, None)
    bought = np.diff(every.offsets)
    np.testing.assert_array_equal(np.diff(three.offsets), np.minimum(bought, 3))
    np.testing.assert_array_equal(three.items[:3], every.items[:3] if bought[0] >= 3 else three.items[:3])


def test_all_sections_have_figures_for_every_row(world: ColdWorld, recommender: Recommender) -> None:
    by_silo = {name: dict.fromkeys((FEDERATION, WITHOUT, ALONE), recommender) for name in SIZES}
    sections = (
        measure_new_customers(world, recommender, OPTIONS, 0),
        measure_new_items(world, recommender, OPTIONS, 0),
        measure_silos(world, by_silo),
        measure_drift(world, recommender, OPTIONS, 0),
    )
    for section in sections:
        assert all(
            row[name] >= 0.0 for row in section.rows.values() for name in row if row[name] == row[name]
        )
        assert len(markdown([section, section])) == len(section.rows) + len(section.notes) + 5
    ratios = gains(sections[2], list(SIZES)).values()
    assert all(ratio["recall_at_20"] == 1.0 for ratio in ratios)
    exact = sections[1].rows["popularity, exact"]
    assert exact["recall_at_20"] == 0.0
    assert exact["coverage_at_20"] == 0.0


def test_targets_of_a_week_lie_in_it(world: ColdWorld) -> None:
    side, start = world.silos[0], world.cutoff + WEEK
    split = shoppers_of(side, world.cutoff, start).split
    assert len(split.customers)
    assert start <= split.targets.times.min() <= split.targets.times.max() < start + WEEK
    assert split.train.times.max() < start
    new = new_item_buyers(side, world).split
    assert world.new_items[new.targets.items].all()


def test_a_silo_without_customers_is_measured_without_error(
    world: ColdWorld, recommender: Recommender
) -> None:
    nothing = Histories(
        np.zeros(1, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int8),
        np.zeros(0, np.float32),
        Ordering.TIMESTAMP,
    )
    empty = SiloSide("empty", nothing, np.ones(OPTIONS.items, bool), np.zeros(0, bool))
    assert counts_before(empty, world.cutoff).min() == 1.0
    alone = ColdWorld(world.folder, world.catalogue, world.cutoff, world.new_items, (empty,))
    with_it = ColdWorld(world.folder, world.catalogue, world.cutoff, world.new_items, (*world.silos, empty))
    trainings = {"empty": {FEDERATION: recommender, ALONE: recommender}}
    section = measure_silos(alone, trainings)
    assert np.isnan(section.rows["empty, federation"]["recall_at_10"])
    for measure in (measure_new_customers, measure_new_items, measure_drift):
        for some in (alone, with_it):
            assert isinstance(measure(some, recommender, OPTIONS, 0), Section)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--persons", "5"], "5 is not in the range x>=100"), (["--weeks-ahead", "26"], "range 1<=x<=25")],
)
def test_sizes_that_measure_nothing_are_refused(arguments: list[str], words: str) -> None:
    ended = CliRunner().invoke(bench, ["cold-start", *arguments])
    assert ended.exit_code == 2
    assert words in ended.stderr
    with pytest.raises(ConfigError, match="--weeks-ahead 26"):
        ColdStartOptions(weeks_ahead=26)


def test_results_say_what_made_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.coldstart import run

    section = Section("A title", ("a note",), {"a row": {"a_figure": 0.5, "another": np.nan}})
    sections = dict.fromkeys(run.SECTIONS, section)
    monkeypatch.setattr(run, "_one_seed", lambda *_: (sections | {"silos": _silos()}, 1.99))
    found = run.run_cold_start(OPTIONS, [0, 1], command="thousandfaces bench cold-start")
    found.write(tmp_path / "cold.md")
    text = (tmp_path / "cold.md").read_text(encoding="utf-8")
    for words in (
        "Made by `thousandfaces bench cold-start` at commit",
        "simulated data",
        "1.990",
        "large 2.000 (2.000)",
    ):
        assert words in text
    assert found.to_dict()["seeds"]["1"]["drift"]["a row"] == {"a_figure": 0.5, "another": None}


def _silos() -> Section:
    rows = {
        f"{name}, {what}": {"recall_at_20": value, "new_recall_at_20": value}
        for name in SIZES
        for what, value in ((FEDERATION, 0.2), (ALONE, 0.1))
    }
    return Section("Silos", (), rows)
