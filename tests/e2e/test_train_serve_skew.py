"""What training computes of a customer is what serving computes: the same features, the same scores."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from recsys.bundle.contents import assemble
from recsys.bundle.manifest import BlendSpec, SequenceSpec
from recsys.bundle.store import read_bundle, write_bundle
from recsys.data.history import EventType, Histories
from recsys.data.vocab import Catalogue
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.features.sequences import Sequences, encode
from recsys.recommend.pipeline import Recommender
from recsys.seeds import rng
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.silos.simulator import WorldConfig, write_world
from recsys.towers.export import check_parity, export_user_tower
from serving.customers.profiles import Consent
from serving.events.schemas import EventIn
from serving.events.service import accept
from serving.loading import load_state
from serving.settings import Settings
from serving.state import State
from tests.recsys.bundle_builder import World, make_parts
from training.config import SiloSettings, TrainingConfig
from training.loading import load
from training.scopes import sequence_config
from training.sections import SequenceSettings

CUSTOMERS = 1_000
SCORED = 200
"""Customers whose every item's score is compared, the ones with online events among them."""
WORLD = WorldConfig(persons=2_800, n_items=300, weeks=16, chunk_persons=700, seed=11, consent_training=0.9)
ONLINE_ITEMS = (EventType.PURCHASE, EventType.VIEW, EventType.CART, EventType.RETURN, EventType.PURCHASE)


@dataclass(frozen=True)
class Silo:
    """A silo of the world whose shops' clocks are eight hours ahead of UTC, and the bundle it serves."""

    config: SiloConfig
    catalogue: Catalogue
    settings: SiloSettings
    bundle: Path
    toml: Path

    def served(self) -> State:
        return load_state(Settings(bundle=self.bundle, silo=self.toml))

    def trained(self) -> tuple[tuple[str, ...], Histories, Sequences]:
        data = load(
            self.config.training_silo(), self.catalogue, self.settings, max_silos_per_person=1, silos=1
        )
        return data.dataset.customer_ids, data.dataset.histories, data.sequences


@pytest.fixture(scope="module")
def make_silo(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Silo]:
    root = tmp_path_factory.mktemp("skew")
    federation = FederationConfig.load(write_world(WORLD, root))
    catalogue, toml = federation.read_catalogue(), federation.silos[0]
    toml.write_text(re.sub('timezone = "UTC"', 'timezone = "Asia/Shanghai"', toml.read_text()))
    unsorted(toml.parent / "interactions.parquet")
    settings = TrainingConfig(sequences=SequenceSettings(max_items=30)).silo_settings(ordered=True)
    bundle = make_bundle(catalogue, settings, root / "bundle")

    def load_again() -> Silo:
        return Silo(SiloConfig.load(toml), catalogue, settings, bundle, toml)

    return load_again


def unsorted(path: Path) -> None:
    """Interactions come in no order at all: both sides must sort by event time themselves."""
    table = pq.read_table(path)
    pq.write_table(table.take(rng(0, "unsorted").permutation(len(table))), path)


def make_bundle(catalogue: Catalogue, settings: SiloSettings, folder: Path) -> Path:
    """Planted vectors over the world's catalogue, with taste profiles in the user tower."""
    parts = make_parts(World(n_items=len(catalogue)))
    profile = TasteProfile.of(
        catalogue,
        np.exp(parts.log_popularity.astype(np.float64)),
        ProfileConfig(**settings.profile.model_dump()),
    )
    table = np.hstack([parts.history_table, profile.items()])
    tower = export_user_tower(table, profile)
    check_parity(tower, table, profile)
    changed = vars(parts) | {
        "catalogue": catalogue,
        "vectors": np.hstack([parts.vectors, profile.items()]),
        "history_table": table,
        "user_tower": tower,
        "intervals": {
            "mean": np.full(n_categories(catalogue), 2.5),
            "variance": np.full(n_categories(catalogue), 0.1),
        },
    }
    blocks = {"towers": (0, 8), "copurchase": (8, 14), "profile": (14, table.shape[1])}
    sequence = SequenceSpec.of(sequence_config(settings.sequences))
    return write_bundle(
        folder, assemble(type(parts)(**changed), sequence=sequence, blend=BlendSpec(), blocks=blocks)
    )


def n_categories(catalogue: Catalogue) -> int:
    return len(catalogue.category_codes[1])


def in_both(silo: Silo, state: State, n: int) -> tuple[list[str], Histories]:
    """Customers who consented to training and to personalisation, and what training knows of them."""
    ids, histories, _ = silo.trained()
    rows = [
        row
        for row, one in enumerate(ids)
        if Consent.PERSONALISATION in (state.profiles.consent(one) or Consent.NOTHING)
    ][:n]
    assert len(rows) == n
    return [ids[row] for row in rows], histories.select(np.array(rows))


def require_same_features(state: State, ids: list[str], histories: Histories, expected: Sequences) -> None:
    for row, customer in enumerate(ids):
        served, one = state.profiles.history(customer), histories.select(np.array([row]))
        for column in ("items", "times", "events", "quantities"):
            np.testing.assert_array_equal(getattr(served, column), getattr(one, column), customer)
        assert served.utc_offset_seconds == one.utc_offset_seconds == 8 * 3600
        features = state.recommender.features(served)
        np.testing.assert_array_equal(features.ids[0], expected.ids[row], customer)
        assert features.weights[0].tobytes() == expected.weights[row].tobytes(), customer


def require_same_scores(state: State, ids: list[str], offline: np.ndarray) -> None:
    served = np.concatenate([state.recommender.scores(state.profiles.history(one)) for one in ids])
    np.testing.assert_allclose(served, offline, rtol=1e-6, atol=1e-6)


def test_a_thousand_customers_have_the_features_and_scores_that_training_gave_them(
    make_silo: Callable[[], Silo],
) -> None:
    silo = make_silo()
    state = silo.served()
    ids, histories = in_both(silo, state, CUSTOMERS)
    expected = encode(histories, sequence_config(silo.settings.sequences))
    assert (expected.ids >= 0).all(1).sum() > 10, "some histories are longer than a sequence"
    assert ((expected.ids >= 0).sum(1) == 0).any() or (expected.ids[:, 1] < 0).any(), "and some are short"
    require_same_features(state, ids, histories, expected)
    require_same_scores(state, ids, Recommender(read_bundle(silo.bundle)).scores(histories))


def test_the_whole_silos_sequences_are_those_of_its_customers_alone(make_silo: Callable[[], Silo]) -> None:
    silo = make_silo()
    ids, _, sequences = silo.trained()
    chosen, histories = in_both(silo, silo.served(), SCORED)
    alone = encode(histories, sequence_config(silo.settings.sequences))
    rows = [ids.index(one) for one in chosen]
    np.testing.assert_array_equal(sequences.ids[rows], alone.ids)
    assert sequences.weights[rows].tobytes() == alone.weights.tobytes()


def test_the_shops_day_divides_baskets_on_both_sides(make_silo: Callable[[], Silo]) -> None:
    """Eight hours matter: read as UTC, the same events give other weights."""
    silo = make_silo()
    _, histories = in_both(silo, silo.served(), SCORED)
    config = sequence_config(silo.settings.sequences)
    utc = Histories(**vars(histories) | {"utc_offset_seconds": 0})
    assert not np.array_equal(encode(utc, config).weights, encode(histories, config).weights)


def test_online_events_are_the_same_to_the_running_server_to_a_restarted_one_and_to_training(
    make_silo: Callable[[], Silo],
) -> None:
    silo = make_silo()
    running = silo.served()
    ids, before = in_both(silo, running, SCORED)
    unsold = event_of_an_unsold_item(running, ids[0])
    sent = [*online_events(running, ids), unsold]
    assert asyncio.run(accept(running, sent)) == {"accepted": 6 * SCORED + 1, "duplicates": 0}
    again, after = in_both(silo, running, SCORED)
    assert (again, len(after.items)) == (ids, len(before.items) + 6 * SCORED)
    expected = encode(after, sequence_config(silo.settings.sequences))
    offline = Recommender(read_bundle(silo.bundle)).scores(after)
    for state in (running, silo.served()):
        require_same_features(state, ids, after, expected)
        require_same_scores(state, ids, offline)


def online_events(state: State, ids: list[str]) -> list[EventIn]:
    """For every customer: late ones, several in one second out of order, one as old as the base data."""
    sold = [state.catalogue.item_ids[item] for item in np.flatnonzero(state.assortment.sold)]
    newest = datetime.fromtimestamp(newest_event(state), UTC)
    events = []
    for number, customer in enumerate(ids):
        moments = [
            newest + timedelta(seconds=60 + step, microseconds=900_000 - 100_000 * k)
            for k, step in enumerate((0, 0, 0, 3, 1))
        ]
        for k, (moment, event) in enumerate(
            zip([*moments, newest - timedelta(days=30)], [*ONLINE_ITEMS, EventType.PURCHASE], strict=True)
        ):
            item = sold[(number * 7 + k // 2) % len(sold)]
            events.append(
                EventIn(
                    event_id=f"web-{number}-{k}",
                    customer_id=customer,
                    item_id=item,
                    event=event,
                    quantity=1.0,
                    timestamp=moment.isoformat(),
                )
            )
    return events


def newest_event(state: State) -> int:
    """The time of the newest event that the server has read, in Unix seconds."""
    _, histories = state.profiles.page(None, len(state.profiles.sample(10**9)))
    return int(histories.times.max())


def event_of_an_unsold_item(state: State, customer: str) -> EventIn:
    """The catalogue knows the item, this silo's items table does not: it must not count anywhere."""
    item = state.catalogue.item_ids[np.flatnonzero(~state.assortment.sold)[0]]
    moment = datetime.fromtimestamp(newest_event(state), UTC).isoformat()
    return EventIn(event_id="web-unsold", customer_id=customer, item_id=item, timestamp=moment)
