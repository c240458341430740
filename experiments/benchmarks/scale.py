"""Time, memory and quality of private training against the number of customers, on simulated worlds.

    python -m experiments.benchmarks.scale --customers 10000,100000,1000000 --items 20000 --silos 10 \
        [--quality] [--results FILE] [--json]

Each size is a world of disjoint silos in the work folder; each job runs in a process of its own, and what
has been done is kept in the folder's state.json, so that an interrupted benchmark continues. Time and memory
are of the whole training: reading, checks, consent, statistics, towers, bundle, registry.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click

from experiments.benchmarks import scale_jobs, scale_quality
from experiments.benchmarks.scale_jobs import Size
from experiments.quality.resources import peak_memory
from experiments.results_table import command_line, shown, write_results
from recsys.errors import ConfigError, ThousandFacesError
from recsys.words import counted

MOST_MINUTES, MOST_MEGABYTES, LEAST_KEPT, MOST_EXPONENT = 60.0, 8 * 1024.0, 0.80, 1.05
COMMAND = ("python", "-m", "experiments.benchmarks.scale")
STAGES = ("popularity", "intervals", "copurchase", "factors", "towers", "receipts", "bundle", "tracking")

State = dict[str, Any]


def run_size(size: Size, *, quality: bool, pool: int, sample: int) -> State:
    """All jobs of one size that have not been done, each in a fresh process; what was measured."""
    state_file = size.work / "state.json"
    state: State = json.loads(state_file.read_text()) if state_file.exists() else {}
    jobs: list[tuple[str, Callable[[], State]]] = [
        ("world", lambda: measured(scale_jobs.make_world, size)),
        ("training", lambda: measured(scale_jobs.train, size)),
    ]
    if quality:
        jobs += [
            ("twin", lambda: measured(scale_jobs.train_the_twin, size)),
            (
                "quality",
                lambda: measured(scale_quality.judge, size, bundles(state), pool=pool, sample=sample),
            ),
        ]
    for name, job in jobs:
        if name not in state:
            click.echo(f"{size.customers:,} customers: {name}", err=True)
            state[name] = job()
            size.work.mkdir(parents=True, exist_ok=True)
            state_file.write_text(json.dumps(state, indent=1))
    return state


def bundles(state: Mapping[str, Any]) -> dict[str, Path]:
    """The bundles that there are, by method."""
    found = {"private": "training", "non_private_twin": "twin"}
    return {method: Path(state[job]["bundle"]) for method, job in found.items() if job in state}


def measured(job: Callable[..., State], *arguments: Any, **options: Any) -> State:
    """A job in a process of its own, with the peak resident memory of the process tree."""
    with peak_memory() as peak, ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(job, *arguments, **options).result()
    return {**found, "peak_rss_mb": round(peak.megabytes, 1), "load": round(os.getloadavg()[0], 2)}


def exponents(seconds: Mapping[int, float]) -> dict[str, float]:
    """d log time / d log customers between neighbouring sizes; 1 is linear."""
    sizes = sorted(seconds)
    return {
        f"{small:,} to {large:,}": math.log(seconds[large] / seconds[small]) / math.log(large / small)
        for small, large in pairwise(sizes)
    }


def verdict(states: Mapping[int, State]) -> dict[str, bool]:
    """Whether the bars are met by the largest size, and by the growth up to it."""
    largest = states[max(states)]
    training = largest["training"]
    growth = exponents({size: state["training"]["seconds"] for size, state in states.items()})
    passed = {
        "minutes": training["seconds"] <= 60 * MOST_MINUTES,
        "memory": training["peak_rss_mb"] <= MOST_MEGABYTES,
        "growth": all(exponent <= MOST_EXPONENT for exponent in growth.values()),
    }
    if "quality" in largest:
        kept = largest["quality"]["lift"]["recall_at_20"]["kept"]
        passed["lift kept"] = kept is not None and kept >= LEAST_KEPT
    return passed


def cost_table(states: Mapping[int, State]) -> list[str]:
    """Seconds by stage and peak memory, a row per size."""
    lines = [
        "| customers | world, s | " + " | ".join(f"{stage}, s" for stage in STAGES) + " | training in all, s "
        "| of processors, s | peak memory, MB | load |",
        "|--:|" + "--:|" * (len(STAGES) + 5),
    ]
    for size, state in sorted(states.items()):
        training = state["training"]
        stages = [f"{training['stages'].get(stage, 0.0):.1f}" for stage in STAGES]
        cells = [f"{size:,}", f"{state['world']['seconds']:.0f}", *stages, f"{training['seconds']:.0f}"]
        cells += [f"{training[name]:.0f}" for name in ("cpu_seconds", "peak_rss_mb")]
        cells.append(str(training["load"]))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def quality_table(states: Mapping[int, State]) -> list[str]:
    """Share of lift kept, and the figures of all methods, by size."""
    metrics = scale_quality.METRICS
    lines = [
        "",
        "| customers | method | " + " | ".join(metrics) + " |",
        "|--:|---|" + "--:|" * len(metrics),
    ]
    for size, state in sorted(states.items()):
        if "quality" not in state:
            continue
        quality = state["quality"]
        lifts = [quality["lift"][m] for m in metrics]
        kept = [f"{shown(lift['kept'], '.3f')} of {lift['best']}" for lift in lifts]
        lines.append(f"| {size:,} | **share of lift kept** | {' | '.join(kept)} |")
        for name, figures in quality["methods"].items():
            lines.append(f"| {size:,} | {name} | {' | '.join(shown(figures[m]) for m in metrics)} |")
    return lines if len(lines) > 3 else []


def _told(states: Mapping[int, State], what: str) -> str:
    growth = exponents({size: state["training"][what] for size, state in states.items()})
    return ", ".join(f"{sizes} {exponent:.2f}" for sizes, exponent in growth.items()) or "one size alone"


def facts(states: Mapping[int, State], sizes: Sequence[Size]) -> list[str]:
    """What has to be known to read the tables."""
    first, last = sizes[0], states[max(states)]
    lines = [
        f"simulated world of {first.items:,} items; {counted(first.silos, 'silo')}, disjoint by a public "
        "rule: each person is a customer of one store group alone",
        f"person-level epsilon {last['training']['epsilon']:.3f} at delta {last['training']['delta']:g} "
        "(of the largest size), add or remove one customer, all mechanisms composed; a server that sees "
        "every message is assumed",
        "training includes reading and checking the silos' files, consent (in 'popularity'), all rounds with "
        "their ledgers, the bundle and its registration; making the world is apart",
        f"growth of the training's time, as an exponent: {_told(states, 'seconds')}",
        f"the same of the processors' time: {_told(states, 'cpu_seconds')}",
        "peak memory: resident memory of the process tree, all silos in one process; load: of the machine "
        "at the end, so that a wait for others is seen",
        "bars: " + ", ".join(f"{n} {'met' if met else 'MISSED'}" for n, met in verdict(states).items()),
    ]
    if "quality" in last:
        judged = last["quality"]
        lines.append(
            f"quality: first basket after the cut-off of {judged['evaluated']:,} customers of all silos, "
            "each among the silo's own assortment; EASE learns from all customers, the other baselines and "
            f"the tuning from {judged['pool']:,} drawn by the seed"
        )
    return lines


@click.command(help=__doc__.splitlines()[0])
@click.option("--customers", default="10000,100000,1000000", show_default=True, help="Sizes, by commas.")
@click.option("--items", default=20_000, show_default=True, type=click.IntRange(min=200))
@click.option("--silos", default=10, show_default=True, type=click.IntRange(min=1))
@click.option("--epsilon", default=2.0, show_default=True, type=click.FloatRange(0, 64, min_open=True))
@click.option("--seed", default=0, show_default=True, help="Seed of the training and of the samples.")
@click.option("--threads", default=2, show_default=True, help="Silos that work at a time.")
@click.option("--quality", is_flag=True, help="Also train the twin and compare with the baselines.")
@click.option("--pool", default=100_000, show_default=True, help="Customers that the baselines learn from.")
@click.option("--sample", default=10_000, show_default=True, help="Customers that are evaluated.")
@click.option(
    "--work",
    default=Path(".thousandfaces/scale"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where worlds, runs and measurements are kept.",
)
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Write a table here too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def main(
    customers: str,
    items: int,
    silos: int,
    epsilon: float,
    seed: int,
    threads: int,
    quality: bool,
    pool: int,
    sample: int,
    work: Path,
    results: Path | None,
    as_json: bool,
) -> None:
    """Measure all sizes, print a table, and say with the exit code if a bar is missed."""
    states, sizes = dict[int, State](), list[Size]()
    for count in _numbers(customers):
        folder = work / f"{count}-{items}-{silos}-{epsilon:g}-{seed}"
        size = Size(count, items, silos, epsilon, folder, seed=seed, threads=threads)
        sizes.append(size)
        states[count] = run_size(size, quality=quality, pool=pool, sample=sample)
    table = [*cost_table(states), *quality_table(states)]
    told, passed = facts(states, sizes), verdict(states)
    if results is not None:
        command = command_line(*COMMAND)
        write_results(results, f"Scale: {items:,} items", command, told, table)
    answer = {"passed": passed, "sizes": {str(count): state for count, state in states.items()}}
    click.echo(json.dumps(answer) if as_json else "\n".join([*(f"- {fact}" for fact in told), "", *table]))
    if not all(passed.values()):
        sys.exit(1)


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise ConfigError(
            f"--customers {text!r}: write whole numbers separated by commas, such as 10000,100000"
        )
    return numbers


if __name__ == "__main__":
    try:
        main()
    except ThousandFacesError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
