"""Quality on the silos' own customers: bounded rows, figures as the exact evaluation has them, charged."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from recsys.bundle.manifest import Stamp
from recsys.bundle.store import read_bundle
from recsys.data.history import EventType, Histories, Ordering
from recsys.data.split import Split, temporal_split
from recsys.errors import ConfigError
from recsys.evaluate import evaluate
from recsys.features.profile import TasteProfile
from recsys.features.sequences import SequenceConfig, Sequences, encode
from recsys.privacy.ledger import Ledger
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig
from training import evaluation
from training.config import TrainingConfig
from training.config_file import parse_config
from training.evaluation import Published
from training.run import run_training

N_ITEMS, CUTOFF = 50, 600_000


def histories(customers: int, seed: int = 0) -> Histories:
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 30, customers)
    offsets = np.concatenate([[0], sizes.cumsum()])
    times = np.concatenate([np.sort(random.integers(0, 1_200_000, size)) for size in sizes])
    items = random.integers(0, N_ITEMS, len(times)).astype(np.int32)
    events = np.full(len(times), EventType.PURCHASE.code, np.int8)
    quantities = np.ones(len(times), np.float32)
    return Histories(offsets, items, times.astype(np.int64), events, quantities, Ordering.TIMESTAMP)


@pytest.fixture
def published() -> Published:
    random = np.random.default_rng(1)
    ones = np.ones(3, np.float32)
    return Published(
        random.dirichlet(np.ones(N_ITEMS)),
        random.normal(size=(N_ITEMS, 4)).astype(np.float32),
        random.normal(size=(N_ITEMS, 4)).astype(np.float32),
        TasteProfile(random.integers(-1, 3, (N_ITEMS, 2)), ones / 3, ones, ones),
        SequenceConfig(),
    )


def test_one_customer_is_one_row_of_norm_at_most_one(published: Published) -> None:
    split = temporal_split(histories(300), CUTOFF)
    rows = evaluation.contribution(split, published)
    assert rows.shape == (300, evaluation.LENGTH)
    norms = np.linalg.norm(rows, axis=1)
    assert norms.max() <= evaluation.CLIP_NORM
    assert 0 < (norms > 0).sum() <= len(split.customers)
    alone = temporal_split(histories(300).select(np.array([7])), CUTOFF)
    assert np.array_equal(evaluation.contribution(alone, published)[0], rows[7])


def test_the_figures_are_those_of_the_exact_evaluation(published: Published) -> None:
    split = temporal_split(histories(400), CUTOFF)
    total = evaluation.contribution(split, published).sum(axis=0)
    figures = evaluation.estimate(total, noise_std=1e-9)

    def rank(train: Histories, _excluded: bool) -> np.ndarray:
        owned = np.zeros((len(train), N_ITEMS), bool)
        owned[train.rows, train.items] = True
        return published.new_items(encode(train, published.sequence), owned)

    exact = evaluate(rank, split, (10, 20)).new
    assert figures["new_recall_at_20"] == pytest.approx(exact["recall@20"])
    assert figures["new_ndcg_at_10"] == pytest.approx(exact["ndcg@10"])
    assert figures["new_hit_at_10"] == pytest.approx(exact["hit@10"])
    assert figures["popularity_new_recall_at_20"] != figures["new_recall_at_20"]


def test_noise_never_makes_an_impossible_figure() -> None:
    figures = evaluation.estimate(np.array([-5.0, 3.0, -3.0, 1.0, 0.5]), noise_std=2.0)
    assert all(0.0 <= figures[name] <= 1.0 for name in evaluation.FIGURES)
    assert figures["standard_error"] == 1.0


def test_a_catalogue_smaller_than_the_list_ends_early(published: Published) -> None:
    profile = published.profile
    few = TasteProfile(profile.columns[:5], profile.expected, profile.prior, profile.weight)
    small = Published(
        published.popularity[:5], published.vectors[:5], published.history_table[:5], few, SequenceConfig()
    )
    owned = np.zeros((1, 5), bool)
    owned[0, 3] = True
    history = Sequences(np.array([[3, -1]]), np.array([[1.0, 0.0]], np.float32))
    (ranked,) = small.new_items(history, owned)
    assert sorted(ranked[:4].tolist()) == [0, 1, 2, 4]
    assert (ranked[4:] == -1).all()


def test_nobody_to_measure_is_a_row_of_zeros_for_each(published: Published) -> None:
    early = histories(20)
    nobody = Split(early, early.where(np.zeros(len(early.items), bool)), np.zeros(0, np.int64))
    assert not evaluation.contribution(nobody, published).any()


def test_metrics_need_a_moment_after_which_nothing_was_trained_on() -> None:
    shares = {"popularity": 0.2, "copurchase": 0.3, "intervals": 0.0, "towers": 0.4, "metrics": 0.1}
    with pytest.raises(ConfigError, match="needs 'until'"):
        parse_config({"privacy": {"shares": shares}}, source="test")
    parse_config({"privacy": {"shares": shares}, "until": "2026-01-01T00:00:00Z"}, source="test")


def test_a_run_measures_itself_noised_and_charged(
    configured: Callable[..., TrainingConfig], world: Path
) -> None:
    shares = ["copurchase=0.3", "intervals=0.05", "towers=0.45", "metrics=0.1", "popularity=0.1"]
    left_out = ["rhythm=0", "season=0", "followups=0", "demand=0"]
    last = WorldConfig(weeks=6).last_day
    config = configured(
        f"until={last - timedelta(days=10)}T00:00:00Z",
        *(f"privacy.shares.{share}" for share in shares + left_out),
    )
    result = run_training(config)
    figures = result.report["metrics"]
    assert set(figures) == {*evaluation.FIGURES, "standard_error"}
    stored = read_bundle(result.bundle_folder).manifest.metrics
    assert stored is not None
    assert stored.stamp is Stamp.CHARGED
    assert stored.values == figures
    assert result.report["person_epsilon"] <= config.privacy.epsilon
    for silo in FederationConfig.load(world / "federation.toml").silo_configs():
        charged = {row.details["mechanism"]: row for row in Ledger(silo.ledger).rows() if row.event}
        assert charged["metrics"].details["purpose"] == "evaluation"
        assert charged["metrics"].event == result.plan.release("metrics").event
        assert charged["popularity"].details["purpose"] == "training"
