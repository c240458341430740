"""What a due list says of a customer is bit for bit the same whoever else is in the chunk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from recsys.data.history import EventType, Histories
from recsys.features.price_tiers import price_tiers
from recsys.models.replenishment import IntervalModel
from recsys.models.rhythm_start import START
from recsys.models.season import MONTHS
from recsys.seeds import rng
from serving.replenishment.lister import Lister
from serving.replenishment.rows import Question
from tests.recsys.bundle_builder import GROUPS, NOW, make_catalogue, make_histories, make_intervals

N_ITEMS, N_CUSTOMERS = 60, 40
CATALOGUE = make_catalogue(N_ITEMS)
LEARNED = {"hazard": START, "appeals": np.linspace(-1.5, 2.5, N_ITEMS)}
WAVES = 1.0 + 0.6 * np.sin(2.0 * np.pi * (np.arange(MONTHS) / MONTHS + np.arange(GROUPS)[:, None] / GROUPS))
MODELS = {
    "log-normal": make_intervals(),
    "hazard": make_intervals() | LEARNED,
    "season": make_intervals() | LEARNED | {"season": WAVES / WAVES.mean(axis=1, keepdims=True)},
}


def busy(number: int) -> Histories:
    """Customers with everything that a list reads: purchases, units, dismissals, answers, devices."""
    r = rng(number, "chunks")
    h = make_histories(N_CUSTOMERS, N_ITEMS, seed=number, max_events=40)
    kinds = [one.code for one in EventType]
    events = np.where(r.random(len(h.items)) < 0.8, EventType.PURCHASE.code, r.choice(kinds, len(h.items)))
    quantities = r.choice([0.5, 1.0, 1.0, 2.0, 6.0], len(h.items)).astype(np.float32)
    return Histories(h.offsets, h.items, h.times, events.astype(np.int8), quantities, h.ordering)


@pytest.mark.parametrize("name", MODELS)
def test_a_customers_rows_are_the_same_in_every_chunk(name: str, counted: Callable[[int, int], int]) -> None:
    model = IntervalModel.from_arrays(MODELS[name], CATALOGUE)
    everything = np.ones(N_ITEMS, np.bool_)
    question = Question(NOW, "Europe/Berlin", within=365.0, least=0.0)
    popularity = np.linspace(-9.0, -2.0, N_ITEMS).astype(np.float32)
    lister = Lister(model, question, everything, everything, price_tiers(CATALOGUE), popularity)
    listed = 0
    for number in range(counted(3, 60)):
        h, r = busy(number), rng(number, "companions")
        ids = [f"c-{row:02d}" for row in range(N_CUSTOMERS)]
        whole = lister.table(ids, h)
        for _ in range(12):
            chosen = np.sort(r.choice(N_CUSTOMERS, int(r.integers(1, 12)), replace=False))
            some = lister.table([ids[row] for row in chosen], h.select(chosen))
            kept = np.isin(np.array(whole["customer_id"].to_pylist()), [ids[row] for row in chosen])
            assert some.equals(whole.filter(pa.array(kept)))
            listed += some.num_rows
    assert listed > 1_000


def test_hazards_are_told_in_full_precision_alike() -> None:
    model = IntervalModel.from_arrays(MODELS["hazard"], CATALOGUE)
    h = busy(99)
    every = model.needs(h, NOW)
    for row in range(N_CUSTOMERS):
        own, here = model.needs(h.select(np.array([row])), NOW), every.customers == row
        assert np.array_equal(own.chances, every.chances[here])
        assert np.array_equal(own.expected, every.expected[here])
