"""How long a private training step takes beside the non-private twin's, at 20,000 and 100,000 items.

Both make the same batch of 1,024 customers, compare their items with the whole catalogue, and end with the
server's step; the private one clips each customer's gradient and draws secure noise besides. One thread; both
take turns within one process, so that a busy machine slows them alike. Memory is the peak of a process of its
own for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import click
import numpy as np
import torch

from experiments.results_table import write_results
from recsys.features.items import ItemFeatures
from recsys.features.sequences import Sequences
from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.releases import DpSgdPlan
from recsys.towers.two_tower import TowerConfig, initial_parameters
from training.engine import Engine
from training.objective import Objective
from training.research import plain_gradient, research_only
from training.server_optimizer import ServerAdam

CUSTOMERS, LENGTH, MEAN_ITEMS, EMBEDDING_DIM = 1_024, 50, 12, 16
LIMIT, MEMORY_LIMIT, LIMITED = 2.0, 1.3, 20_000
FEATURE_VALUES = 1_000, 100, 20, 5  # brands, categories, departments, price tiers
PRIVATE, TWIN, NOTHING = "private", "twin", "nothing"
COMMAND = "python -m experiments.benchmarks.training_step"

Step = Callable[[], object]


@dataclass(frozen=True)
class Measured:
    """Of one size of catalogue. seconds: by step, in the order of the rounds; peaks: MB of memory by step."""

    items: int
    seconds: dict[str, list[float]]
    peaks: dict[str, float]

    @property
    def ratio(self) -> float:
        """Median over rounds of the private step's time over the twin's in the same round."""
        pairs = zip(self.seconds[PRIVATE], self.seconds[TWIN], strict=True)
        return median(private / twin for private, twin in pairs)

    @property
    def memory_ratio(self) -> float:
        """Peak memory of the process with private steps over that of the one with the twin's."""
        return self.peaks[PRIVATE] / self.peaks[TWIN]


def objective_of(items: int) -> Objective:
    """A catalogue with features and a popularity of Zipf's law."""
    random = np.random.default_rng(0)
    columns, size = [np.arange(items)], items
    for values in FEATURE_VALUES:
        columns.append(random.integers(size, size + values, items))
        size += values
    popularity = 1.0 / (np.arange(items) + 10.0)
    config = TowerConfig(embedding_dim=EMBEDDING_DIM, negatives=items)
    features = ItemFeatures(np.stack(columns, 1), size)
    return Objective(features, config, np.log(popularity / popularity.sum()).astype(np.float32))


def customers_of(objective: Objective) -> Sequences:
    """Customers with 2 to 50 items, 12 on average."""
    random = np.random.default_rng(1)
    ids = np.full((CUSTOMERS, LENGTH), -1, np.int64)
    chances = np.exp(objective.log_popularity.astype(np.float64))
    for row in ids:
        count = min(LENGTH, 2 + random.geometric(1 / (MEAN_ITEMS - 1)) - 1)
        row[:count] = random.choice(len(chances), count, replace=False, p=chances / chances.sum())
    weights = np.where(ids >= 0, 1.0, 0.0)
    return Sequences(ids, (weights / np.sqrt(weights.sum(1, keepdims=True))).astype(np.float32))


def steps_of(items: int) -> dict[str, Step]:
    """A private step and the twin's, from the same parameters and customers."""
    objective = objective_of(items)
    customers, random = customers_of(objective), np.random.default_rng(2)
    parameters = initial_parameters(objective.features, objective.config, 0)
    plan = DpSgdPlan(clip_norm=0.3, noise_multiplier=1.0, sampling_rate=1.0, steps=1_000)
    engine, noise, token = Engine(objective), SecureNoise(), research_only(research_data=True)
    optimizers = {name: ServerAdam(0.05, plan.steps) for name in (PRIVATE, TWIN)}

    def private() -> object:
        noised = engine.noised_gradient(parameters, customers, plan, noise, rng=random).values
        return optimizers[PRIVATE].step(parameters, noised / np.float32(CUSTOMERS))

    def twin() -> object:
        batch = objective.batch(customers, np.arange(CUSTOMERS), random)
        return optimizers[TWIN].step(parameters, plain_gradient(objective, parameters, batch, token))

    return {PRIVATE: private, TWIN: twin, NOTHING: lambda: None}


def measure(items: int, rounds: int) -> Measured:
    """Time both steps in turns; a first round is not counted. Then the memory of each, in its own process."""
    steps = steps_of(items)
    seconds: dict[str, list[float]] = {PRIVATE: [], TWIN: []}
    for number in range(rounds + 1):
        for name, times in seconds.items():
            start = perf_counter()
            steps[name]()
            if number:
                times.append(perf_counter() - start)
    return Measured(items, seconds, {name: _peak(items, name) for name in steps})


def _peak(items: int, name: str) -> float:
    command = [sys.executable, "-m", "experiments.benchmarks.training_step", "--peak", name]
    ended = subprocess.run([*command, "--items", str(items)], capture_output=True, text=True, check=True)  # noqa: S603
    return float(ended.stdout)


def _peak_memory() -> float:
    """MB. Not of getrusage, whose peak a child takes over from the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def table(found: list[Measured]) -> list[str]:
    """A Markdown row per size of catalogue."""
    lines = [
        "| items | private, ms | twin, ms | time | private, MB | twin, MB | without a step, MB | memory |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for one in found:
        times = [median(one.seconds[name]) * 1e3 for name in (PRIVATE, TWIN)]
        peaks = [one.peaks[name] for name in (PRIVATE, TWIN, NOTHING)]
        cells = [f"{one.items:,}", *(f"{time:.0f}" for time in times), f"{one.ratio:.2f} x"]
        lines.append(
            "| " + " | ".join([*cells, *(f"{p:.0f}" for p in peaks), f"{one.memory_ratio:.2f} x"]) + " |"
        )
    return lines


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--items", type=click.IntRange(min=2), multiple=True, default=(20_000, 100_000), show_default=True
)
@click.option("--rounds", type=click.IntRange(min=1), default=9, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Also write the table to this Markdown file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--peak", type=click.Choice([PRIVATE, TWIN, NOTHING]), hidden=True)
def main(items: tuple[int, ...], rounds: int, output: Path | None, as_json: bool, peak: str | None) -> None:
    """Measure, print, and exit with 1 if a private step at 20,000 items is over the bars."""
    torch.set_num_threads(1)
    if peak:
        for _ in range(2):
            steps_of(items[0])[peak]()
        click.echo(_peak_memory())
        return
    found = [measure(count, rounds) for count in items]
    lines = table(found)
    passed = all(
        one.ratio <= LIMIT and one.memory_ratio <= MEMORY_LIMIT for one in found if one.items <= LIMITED
    )
    if output:
        facts = [
            f"{CUSTOMERS:,} customers, {EMBEDDING_DIM} dimensions, {rounds} rounds in turns, one thread",
            f"bar at {LIMITED:,} items: at most {LIMIT:g} x the twin's time, {MEMORY_LIMIT:g} x its memory",
            "time is the median of the ratios within a round; memory is the peak of a process of its own",
        ]
        write_results(
            output, "Speed of a training step", f"{COMMAND} --rounds {rounds} --output FILE", facts, lines
        )
    ratios = {str(one.items): {"time": one.ratio, "memory": one.memory_ratio} for one in found}
    click.echo(json.dumps({"passed": passed, "ratios": ratios}) if as_json else "\n".join(lines))
    if not passed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
