"""How long scores for one customer take: features, user tower, index, blend, the 20 best. One thread.

The bundle has the published shape: 256 columns of co-purchase, 16 of the towers, and the taste profile over
categories, brands and price tiers of a catalogue of that size. Only speed is measured, so its
numbers are random. Memory is warm, customers differ from call to call. Times are the thread's
own (CPU) time, so that a busy machine does not count; memory that others use at the time still does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import thread_time

import click
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments.results_table import write_results
from recsys.bundle.contents import Bundle, Parts, assemble
from recsys.bundle.manifest import BlendSpec, SequenceSpec
from recsys.data.history import SECONDS_PER_DAY, EventType, Histories, Ordering
from recsys.data.vocab import Catalogue
from recsys.features.profile import ProfileConfig, TasteProfile
from recsys.recommend.pipeline import Recommender
from recsys.recommend.types import Query
from recsys.towers.export import export_user_tower

COPURCHASE, TOWERS, NEIGHBOURS, K = 256, 16, 50, 20
CATEGORIES, BRANDS = 100, 400
LIMIT_MICROSECONDS = 1_000.0
LENGTHS = (12, 50)
"""Distinct items of a customer: the mean of the simulated world, and a busy one."""
COMMAND = "python -m experiments.benchmarks.scoring"


@dataclass(frozen=True)
class Timing:
    """Microseconds of one call. what: what was timed"""

    items: int
    history: int
    what: str
    median: float
    p99: float


def bundle_of(items: int) -> Bundle:
    """A bundle of the published shape with random numbers."""
    random = np.random.default_rng(0)
    catalogue = Catalogue.from_table(
        pa.table(
            {
                "item_id": [f"item-{number:06d}" for number in range(items)],
                "title": [f"Product {number}" for number in range(items)],
                "brand": [f"brand-{number}" for number in random.integers(0, BRANDS, items)],
                "category": [f"category-{number}" for number in random.integers(0, CATEGORIES, items)],
                "department": ["food"] * items,
                "price": random.uniform(1.0, 20.0, items).tolist(),
                "consumable": [True] * items,
            }
        )
    )
    weights = 1.0 / (np.arange(items, dtype=np.float64) + 10.0)
    popularity = np.asarray(weights / weights.sum(), np.float64)
    profile = TasteProfile.of(catalogue, popularity, ProfileConfig())
    learned = (0.05 * random.normal(size=(items, COPURCHASE + TOWERS))).astype(np.float32)
    table = np.hstack([learned, profile.items()])
    learned_width = COPURCHASE + TOWERS
    parts = Parts(
        catalogue=catalogue,
        vectors=table,
        history_table=table,
        log_popularity=np.log(popularity).astype(np.float32),
        user_tower=export_user_tower(table, profile),
        neighbours=random.integers(0, items, (items, NEIGHBOURS)).astype(np.int32),
        lifts=random.uniform(1.0, 4.0, (items, NEIGHBOURS)).astype(np.float32),
        intervals={"mean": np.zeros(CATEGORIES), "variance": np.ones(CATEGORIES)},
        statement={"id": "none"},
    )
    blocks = {
        "copurchase": (0, COPURCHASE),
        "towers": (COPURCHASE, learned_width),
        "profile": (learned_width, table.shape[1]),
    }
    return assemble(parts, sequence=SequenceSpec(), blend=BlendSpec(), blocks=blocks)


def customers_of(items: int, history: int, count: int) -> list[Histories]:
    """Customers with so many distinct items, bought over ten weeks."""
    random = np.random.default_rng(1)
    days = np.sort(random.integers(0, 70, history)).astype(np.int64)
    return [
        Histories(
            np.array([0, history]),
            random.choice(items, history, replace=False).astype(np.int32),
            days * SECONDS_PER_DAY,
            np.full(history, EventType.PURCHASE.code, np.int8),
            np.ones(history, np.float32),
            Ordering.TIMESTAMP,
        )
        for _ in range(count)
    ]


def measure(items: int, calls: int) -> list[Timing]:
    """The steps of one answer: the user vector, the 20 best by the published path, and with reasons."""
    recommender = Recommender(bundle_of(items))
    timings = []
    for history in LENGTHS:
        customers = customers_of(items, history, 64)
        queries = {id(customer): _query(recommender, customer) for customer in customers}
        steps: dict[str, Callable[[Histories], object]] = {
            "encode": recommender.user_vectors,
            "index alone": partial(_searched, recommender, queries),
            "encode, score, top 20": lambda customer: recommender.rank(customer, K),
            "the same with reasons": lambda customer: recommender.recommend(Query(customer, K)),
        }
        for what, step in steps.items():
            middle, high = _timed(step, customers, calls)
            timings.append(Timing(items, history, what, middle, high))
    return timings


def _searched(
    recommender: Recommender, queries: dict[int, NDArray[np.float32]], customer: Histories
) -> object:
    return recommender.bundle.index.search(queries[id(customer)], K + len(customer.items))


def _query(recommender: Recommender, customer: Histories) -> NDArray[np.float32]:
    return np.append(recommender.user_vectors(customer)[0], np.float32(1.0))


def _timed(
    step: Callable[[Histories], object], customers: list[Histories], calls: int
) -> tuple[float, float]:
    for customer in customers[:20]:
        step(customer)
    seconds = np.zeros(calls)
    for call in range(calls):
        customer = customers[call % len(customers)]
        begin = thread_time()
        step(customer)
        seconds[call] = thread_time() - begin
    return float(np.median(seconds) * 1e6), float(np.quantile(seconds, 0.99) * 1e6)


def table(found: list[Timing]) -> list[str]:
    """A Markdown row per timing."""
    lines = ["| items | items of the customer | what | median, µs | p99, µs |", "|--:|--:|---|--:|--:|"]
    lines += [
        f"| {one.items:,} | {one.history} | {one.what} | {one.median:.0f} | {one.p99:.0f} |" for one in found
    ]
    return lines


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--items", type=click.IntRange(min=100), multiple=True, default=(2_400, 20_000), show_default=True
)
@click.option("--calls", type=click.IntRange(min=10), default=1_000, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Also write the table to this Markdown file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(items: tuple[int, ...], calls: int, output: Path | None, as_json: bool) -> None:
    """Measure, print, and exit with 1 if the median of scoring is a millisecond or more."""
    found = [timing for count in items for timing in measure(count, calls)]
    lines = table(found)
    scoring = [one for one in found if one.what == "encode, score, top 20"]
    passed = all(one.median < LIMIT_MICROSECONDS for one in scoring)
    if output:
        facts = [
            f"{COPURCHASE} columns of co-purchase, {TOWERS} of the towers, and the taste profile; {calls:,} "
            "calls each, one thread's CPU time",
            "bar: scores for one customer in well under a millisecond",
        ]
        write_results(output, "Speed of scoring", f"{COMMAND} --calls {calls} --output FILE", facts, lines)
    values = [vars(one) for one in found]
    click.echo(json.dumps({"passed": passed, "timings": values}) if as_json else "\n".join(lines))
    if not passed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
