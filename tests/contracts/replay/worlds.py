"""Neighbouring data sets: customers of every kind, and the same ones but for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.history import SECONDS_PER_DAY, EventType, Histories, Ordering
from recsys.data.split import temporal_split
from recsys.features.items import item_features
from recsys.features.sequences import SequenceConfig, Sequences, encode
from tests.recsys.histories_builder import make_catalogue
from training.loading import TrainingData

N_ITEMS, LENGTH, WHALE = 40, 16, 10_000
CATALOGUE = make_catalogue(
    [f"category {item % 5}" for item in range(N_ITEMS)], [True, True, False, True] * 10
)
SEQUENCES = SequenceConfig(max_items=LENGTH)
HARMFUL = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, -1.0, 1e-30], np.float32)
PURCHASE, DISMISS = EventType.PURCHASE.code, EventType.DISMISS.code
UNTIL = 200 * SECONDS_PER_DAY
FAR = (-(2**40), 0, 2**31, 253_402_300_799)
SIZES = (1, 1, 2, 2, 2, 3, 5, 12, 40, 300)


@dataclass(frozen=True)
class Customer:
    """One customer's events, oldest first, and what the encoded weights are replaced by, if by anything."""

    items: np.ndarray
    times: np.ndarray
    events: np.ndarray
    quantities: np.ndarray
    harm: float | None = None


@dataclass(frozen=True)
class Pair:
    """`data` and the same without the customer at `position`; `coins` and `keys` belong to customers."""

    customers: list[Customer]
    position: int
    kind: str
    coins: np.ndarray
    keys: np.ndarray
    seed: int


def _customer(r: np.random.Generator, n: int, **changes: object) -> Customer:
    items = (r.random(n) ** 2 * N_ITEMS).astype(np.int32)
    times = np.sort(r.integers(0, 400, n)) * SECONDS_PER_DAY
    made = Customer(items, times, np.full(n, PURCHASE, np.int8), np.ones(n, np.float32))
    return replace(made, **changes)


def _ordinary(r: np.random.Generator) -> Customer:
    return _customer(r, int(r.integers(2, 40)))


def _harmed(r: np.random.Generator) -> Customer:
    """Values that no record should hold, in the quantities and in the encoded weights."""
    n = int(r.integers(2, 40))
    return _customer(r, n, quantities=r.choice(HARMFUL, n), harm=float(r.choice(HARMFUL)))


KINDS: dict[str, Callable[[np.random.Generator], Customer]] = {
    "ordinary": _ordinary,
    "no event": lambda r: _customer(r, 0),
    "one event": lambda r: _customer(r, 1),
    "two events": lambda r: _customer(r, 2),
    "whale": lambda r: _customer(r, WHALE),
    "every item": lambda r: _customer(r, N_ITEMS, items=r.permutation(N_ITEMS).astype(np.int32)),
    "one item, often": lambda r: _customer(r, 60, items=np.full(60, r.integers(N_ITEMS), np.int32)),
    "two items in turns": lambda r: _customer(r, 60, items=np.tile(np.array([3, 7], np.int32), 30)),
    "equal times": lambda r: _customer(r, 30, times=np.full(30, SECONDS_PER_DAY)),
    "far times": lambda r: _customer(r, 8, times=np.sort(np.tile(np.array(FAR), 2))),
    "every kind of event": lambda r: _customer(r, 60, events=r.integers(0, 6, 60).astype(np.int8)),
    "only dismissals": lambda r: _customer(r, 9, events=np.full(9, DISMISS, np.int8)),
    "harmful values": _harmed,
}


def draw_pair(number: int) -> Pair:
    """A data set and the customer in whom its neighbour differs; the kinds take turns, the rest is random."""
    r = np.random.default_rng(number)
    kinds = list(KINDS)
    kind, n = kinds[number % len(kinds)], int(r.choice(SIZES))
    # Whales are slow: one among the others is enough to move what must not move.
    others = [KINDS[str(name)](r) for name in r.choice([k for k in kinds if k != "whale"], n - 1)]
    if number % 7 == 0 and others:
        others[0] = KINDS["whale"](r)
    position = int(r.integers(n))
    customers = [*others[:position], KINDS[kind](r), *others[position:]]
    coins = r.random(n)
    if number % 4:  # three times in four the customer is in the sample for certain
        coins[position] = 0.0
    return Pair(customers, position, kind, coins, r.random((n, LENGTH)), number)


def training_data(customers: list[Customer]) -> TrainingData:
    """What a silo's stages read, of these customers."""
    lengths = [len(customer.items) for customer in customers]
    columns = {
        name: np.concatenate([np.zeros(0, dtype), *(getattr(customer, name) for customer in customers)])
        for name, dtype in (
            ("items", np.int32),
            ("times", np.int64),
            ("events", np.int8),
            ("quantities", np.float32),
        )
    }
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    histories = Histories(offsets, **columns, ordering=Ordering.TIMESTAMP)
    sequences = _harm(encode(histories, SEQUENCES), customers)
    names = tuple(f"customer {number}" for number in range(len(customers)))
    held_out = temporal_split(histories, UNTIL)
    return TrainingData(Dataset(CATALOGUE, names, histories), item_features(CATALOGUE), sequences, held_out)


def _harm(sequences: Sequences, customers: list[Customer]) -> Sequences:
    weights = sequences.weights.copy()
    for row, customer in enumerate(customers):
        if customer.harm is not None:
            weights[row, ::2] = customer.harm
    return Sequences(sequences.ids, weights)
