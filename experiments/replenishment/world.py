"""A simulated world whose truth is known: its staples as judged pairs, with the law that made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.holdout import concatenate, read_dataset
from experiments.replenishment.forecast import Forecast
from experiments.replenishment.learned_law import learned
from experiments.replenishment.oracle import Law
from experiments.replenishment.pairs import Pairs
from recsys.data.dataset import Dataset
from recsys.data.history import SECONDS_PER_DAY, Histories
from recsys.data.vocab import Catalogue
from recsys.models.replenishment import HORIZONS
from recsys.silos.config import FederationConfig
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.files import write_world
from recsys.silos.simulator.tables import customer_ids
from recsys.silos.simulator.trips import NEVER
from recsys.silos.simulator.world import World


@dataclass(frozen=True, eq=False)
class TrueWorld:
    """All silos' consenting customers, one after the other, and what is true of their staples.

    pairs: known on the day after the window; judged: bool [pairs], staples bought on two days or more
    next: float64 [pairs], days to the staple's next purchase, inf where none falls in the simulated horizon
    lives: bool [pairs], habit and customer are still there
    law: the world's own forecast of the judged pairs; learned: the same without knowing the staples' cycles
    """

    federation: Path
    config: WorldConfig
    catalogue: Catalogue
    histories: Histories
    pairs: Pairs
    judged: NDArray[np.bool_]
    next: NDArray[np.float64]
    lives: NDArray[np.bool_]
    law: Forecast
    learned: Forecast


def make_true_world(config: WorldConfig, folder: Path) -> TrueWorld:
    """Write the world to a new folder, read it as silos do, and look its truth up."""
    path = write_world(config, folder)
    federation = FederationConfig.load(path)
    catalogue = federation.read_catalogue()
    datasets = [read_dataset(silo.base_silo(), catalogue)[0] for silo in federation.silo_configs()]
    histories = concatenate([dataset.histories for dataset in datasets])
    day = int(config.start.timestamp()) // SECONDS_PER_DAY + config.days
    pairs = Pairs.on(histories, day, len(catalogue))
    found = _Found.none(len(pairs))
    for part in _staples(World(config), datasets, catalogue, pairs):
        found.enter(part)
    judged = found.judged & (pairs.counts > 0)
    law, learnt = (
        Forecast(chances, *dates).where(judged)
        for chances, dates in zip(found.chances, found.dates, strict=True)
    )
    return TrueWorld(path, config, catalogue, histories, pairs, judged, found.next, found.lives, law, learnt)


@dataclass(frozen=True, eq=False)
class _Found:
    """What is true of pairs; of a part of the staples, `rows` says which pairs they are.

    chances: float64 [2, pairs, horizons], of the law and of the learned law; dates: float64 [2, 3, pairs]
    """

    judged: NDArray[np.bool_]
    next: NDArray[np.float64]
    lives: NDArray[np.bool_]
    chances: NDArray[np.float64]
    dates: NDArray[np.float64]
    rows: NDArray[np.int64]

    @classmethod
    def none(cls, n: int) -> _Found:
        no = np.zeros(n, bool)
        chances, dates = np.zeros((2, n, len(HORIZONS))), np.full((2, 3, n), np.nan)
        return cls(no, np.full(n, np.inf), no.copy(), chances, dates, np.zeros(0, np.int64))

    def enter(self, part: _Found) -> None:
        for name in ("judged", "next", "lives"):
            getattr(self, name)[part.rows] = getattr(part, name)
        self.chances[:, part.rows] = part.chances
        self.dates[:, :, part.rows] = part.dates


def _staples(world: World, datasets: list[Dataset], catalogue: Catalogue, pairs: Pairs) -> Iterator[_Found]:
    """Chunk by chunk and silo by silo, the staples that are pairs, with next purchase, life and law."""
    config = world.config
    first = np.cumsum([0, *(len(dataset.customer_ids) for dataset in datasets)])
    positions = catalogue.indices(world.goods.table["item_id"]).astype(np.int64)
    for chunk in world.chunks():
        for place, shopping, dataset, begin in zip(
            world.places, chunk.shopping, datasets, first, strict=False
        ):
            staples, people = shopping.staples, chunk.people
            ids = np.array(customer_ids(config, people, place, shopping.members))
            known = np.array(dataset.customer_ids)
            at = np.minimum(np.searchsorted(known, ids), len(known) - 1)
            row = np.where(known[at] == ids, at + begin, -1)[staples.member]
            keys = row * pairs.n_items + positions[staples.item]
            place_of = np.minimum(np.searchsorted(pairs.keys, keys), len(pairs) - 1)
            law = Law.of(config, people, shopping)
            kept = np.flatnonzero((row >= 0) & (pairs.keys[place_of] == keys) & ~np.isnan(law.day))
            person = shopping.members.rows[staples.member[kept]]
            following = shopping.restocking.next_day[kept]
            forecasts = [law.forecast(kept), learned(law, world.goods).forecast(kept)]
            yield _Found(
                np.ones(len(kept), bool),
                np.where(following >= NEVER, np.inf, following - config.days),
                (staples.ends[kept] >= NEVER) & (people.end_day[person] >= config.days + config.horizon_days),
                np.stack([made.chances for made in forecasts]),
                np.stack([[made.expected, made.low, made.high] for made in forecasts]),
                place_of[kept],
            )
