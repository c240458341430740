"""How long secure noise takes beside generators that anyone can replay, at 20,000 x 64 values.

The yardstick is float32 noise of torch, which Opacus draws unless it is told otherwise. One thread each; all
generators take turns within one process, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import click
import numpy as np
import torch

from experiments.results_table import write_results
from recsys.privacy.mechanisms import SecureNoise

SHAPE = (20_000, 64)
STD = 1.1
LIMIT = 3.0
SECURE = "secure noise, float64"
YARDSTICK = "torch.normal, float32 (Opacus' default)"
COMMAND = "python -m experiments.benchmarks.secure_noise"

Draw = Callable[[], object]


def generators() -> dict[str, Draw]:
    """What is compared, by name."""
    noise, plain = SecureNoise(), np.random.default_rng()
    return {
        SECURE: lambda: noise.normal(SHAPE, STD),
        YARDSTICK: lambda: torch.normal(0.0, STD, SHAPE),
        "torch.normal, float64": lambda: torch.normal(0.0, STD, SHAPE, dtype=torch.float64),
        "numpy Generator.normal, float64": lambda: plain.normal(0.0, STD, SHAPE),
    }


def measure(draws: Mapping[str, Draw], rounds: int) -> dict[str, list[float]]:
    """Seconds of every draw, by generator, in the order of the rounds; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in draws}
    for _ in range(rounds + 1):
        for name, draw in draws.items():
            start = perf_counter()
            draw()
            seconds[name].append(perf_counter() - start)
    return {name: times[1:] for name, times in seconds.items()}


def ratio(seconds: Mapping[str, Sequence[float]], name: str) -> float:
    """Median over rounds of secure noise's time over this generator's in the same round."""
    return median(ours / theirs for ours, theirs in zip(seconds[SECURE], seconds[name], strict=True))


def table(seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """A Markdown row per generator."""
    size = math.prod(SHAPE)
    lines = ["| generator | ms, median | ns per value | secure noise takes |", "|---|--:|--:|--:|"]
    for name, times in seconds.items():
        middle = median(times)
        lines.append(
            f"| {name} | {middle * 1e3:.2f} | {middle / size * 1e9:.2f} | {ratio(seconds, name):.2f} x |"
        )
    return lines


@click.command(help=__doc__.splitlines()[0])
@click.option("--rounds", type=click.IntRange(min=1), default=101, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Also write the table to this Markdown file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(rounds: int, output: Path | None, as_json: bool) -> None:
    """Measure, print, and exit with 1 if secure noise takes more than three times the yardstick's time."""
    torch.set_num_threads(1)
    seconds = measure(generators(), rounds)
    found = ratio(seconds, YARDSTICK)
    lines = table(seconds)
    if output:
        facts = [
            f"{SHAPE[0]:,} x {SHAPE[1]} values, {rounds} rounds in turns, one thread, one process",
            f"bar: at most {LIMIT:g} x the time of {YARDSTICK}; found {found:.2f} x",
            "the last column is the median of the ratios within a round",
        ]
        write_results(
            output, "Speed of secure noise", f"{COMMAND} --rounds {rounds} --output FILE", facts, lines
        )
    click.echo(json.dumps({"passed": found <= LIMIT, "ratio": found}) if as_json else "\n".join(lines))
    if found > LIMIT:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
