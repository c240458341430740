"""Whether towers and co-purchase together beat the better of the two alone, at the same total budget.

    python -m experiments.benchmarks.fusion --data DIR --research-data [--validation] [--results FILE]

Three trainings for every epsilon, number of silos and seed: towers alone, co-purchase alone, and both with
the budget divided between them (experiments/configs/bench/fusion). The fused scores are judged at several
fusion weights, which are post-processing: the best of them on test customers bounds what a choice can reach.
What is measured is kept in the work folder, so that an interrupted benchmark continues.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median

import click

from experiments.quality.figures import LONGEST, headline
from experiments.quality.prepare import restricted
from experiments.quality.private import PRESETS, Settings, bundle_lists
from experiments.quality.protocols import Protocol, split, validation
from experiments.quality.silos import Budget, by_customer, deal
from experiments.quality.tables import Purchases, read_purchases
from experiments.quality.trial import Trial
from experiments.results_table import command_line, write_results
from recsys.bundle.contents import Bundle
from recsys.bundle.index import build_index
from recsys.bundle.store import read_bundle
from recsys.errors import ConfigError, ThousandFacesError
from recsys.quiet import quiet_libraries
from recsys.words import counted
from training.config import TrainingConfig
from training.research import STAMP
from training.run import run_training

COMMAND = ("python", "-m", "experiments.benchmarks.fusion")
PROTOCOL = Protocol.BASKET_COMPLETION
OVERLAYS = {
    "towers": None,
    "co-purchase": PRESETS / "fusion" / "statistics.toml",
    "both": PRESETS / "fusion" / "both.toml",
}
BOTH, WEIGHTED = "both", "copurchase"
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""What the configured fusion weight of co-purchase is multiplied with."""
LEAST_GAIN = 1.03

Scores = dict[str, float]


@dataclass(frozen=True)
class Cell:
    """One place of the table."""

    epsilon: float
    silos: int
    seed: int

    def __str__(self) -> str:
        return f"epsilon {self.epsilon:g}, {counted(self.silos, 'silo')}, seed {self.seed}"


@dataclass(frozen=True)
class Benchmark:
    """A data set and its split."""

    data: Purchases
    trial: Trial
    delta: float

    @classmethod
    def read(cls, folder: Path, *, items: int, delta: float, on_validation: bool) -> Benchmark:
        """on_validation: split the training side again, and leave the test customers out."""
        data = restricted(read_purchases(folder), items)
        trial = split(data, PROTOCOL)
        if on_validation:
            data = replace(data, customer_ids=data.customer_ids[trial.learners], histories=trial.learned)
            trial = validation(trial, PROTOCOL, seed=0)
        return cls(data, trial, delta)

    def facts(self, *, on_validation: bool) -> list[str]:
        """What has to be known to read the table."""
        judged = "validation customers (of the training side)" if on_validation else "test customers"
        return [
            f"{self.data.name}, protocol {PROTOCOL}, {len(self.trial.customers):,} {judged}, "
            f"{self.trial.n_items:,} items, {self.trial.headline}; research data, {STAMP}",
            f"person-level epsilon at delta {self.delta:g}, the same in total for every column",
        ]

    def scores(self, cell: Cell) -> Scores:
        """The headline metric of every form; of both together, at every fusion weight."""
        found: Scores = {}
        for form, overlay in OVERLAYS.items():
            with tempfile.TemporaryDirectory(prefix="thousandfaces-") as work:
                config = self._config(cell, Settings.of(PROTOCOL, overlay), Path(work))
                click.echo(f"{cell}: {form}", err=True)
                bundle = read_bundle(run_training(config).bundle_folder)
            if form != BOTH:
                found[form] = self._quality(bundle)
                continue
            for factor in FACTORS:
                weight = config.fusion.copurchase * factor
                found[f"{BOTH} {weight:g}"] = self._quality(reweighted(bundle, WEIGHTED, factor))
        return found

    def _config(self, cell: Cell, settings: Settings, work: Path) -> TrainingConfig:
        budget = Budget(cell.epsilon, self.delta)
        members = by_customer(self.data, self.trial, cell.silos)
        dealt = deal(self.data, self.trial, members, budget, work / "silos")
        return settings.training(dealt, budget, seed=cell.seed, output=work / "run")

    def _quality(self, bundle: Bundle) -> float:
        return float(headline(bundle_lists(bundle, self.trial, LONGEST), self.trial).mean())


def reweighted(bundle: Bundle, block: str, factor: float) -> Bundle:
    """The same model with another fusion weight of one block. Raises KeyError if it has no such block."""
    start, stop = bundle.manifest.blocks[block]
    vectors = bundle.vectors.copy()
    vectors[:, start:stop] *= factor
    return replace(bundle, vectors=vectors, index=build_index(vectors, bundle.log_popularity))


def run(benchmark: Benchmark, cells: Sequence[Cell], work: Path) -> dict[Cell, Scores]:
    """Every cell; what the work folder holds already is not measured again."""
    work.mkdir(parents=True, exist_ok=True)
    found = {}
    for cell in cells:
        kept = work / f"{cell.epsilon:g}-{cell.silos}-{cell.seed}.json"
        if not kept.exists():
            kept.write_text(json.dumps(benchmark.scores(cell), indent=1))
        found[cell] = json.loads(kept.read_text())
    return found


def table(found: Mapping[Cell, Scores]) -> list[str]:
    """A Markdown row for every epsilon and number of silos; medians over seeds, all seeds in brackets."""
    forms = list(next(iter(found.values())))
    lines = [f"| epsilon | silos | {' | '.join(forms)} | best both / better alone |"]
    lines.append("|--:|--:|" + "--:|" * (len(forms) + 1))
    for (epsilon, silos), seeds in _by_place(found).items():
        cells = [_several([scores[form] for scores in seeds], 4) for form in forms]
        gains = _several([gain(scores) for scores in seeds], 3)
        lines.append(f"| {epsilon:g} | {silos} | {' | '.join(cells)} | {gains} |")
    return lines


def summary(found: Mapping[Cell, Scores]) -> list[str]:
    """What the table says, in words."""
    gains = [median([gain(scores) for scores in seeds]) for seeds in _by_place(found).values()]
    return [
        "both N: a third of the budget for co-purchase, whose scores are added with fusion weight N",
        f"the best fused score, over all weights, is {min(gains):.3f} to {max(gains):.3f} times the better "
        f"part alone; a fusion is worth its while from {LEAST_GAIN} on",
        "median over seeds, all seeds in brackets",
    ]


def gain(scores: Scores) -> float:
    """The best fused score, over all weights, relative to the better of the parts alone."""
    fused = max(value for form, value in scores.items() if form.startswith(BOTH))
    return fused / max(value for form, value in scores.items() if not form.startswith(BOTH))


def _by_place(found: Mapping[Cell, Scores]) -> dict[tuple[float, int], list[Scores]]:
    places: dict[tuple[float, int], list[Scores]] = {}
    for cell, scores in found.items():
        places.setdefault((cell.epsilon, cell.silos), []).append(scores)
    return places


def _several(values: Sequence[float], digits: int) -> str:
    middle, each = f"{median(values):.{digits}f}", ", ".join(f"{value:.{digits}f}" for value in values)
    return middle if len(values) == 1 else f"{middle} ({each})"


@click.command(help=__doc__.splitlines()[0])
@click.option("--data", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--items", default=2_000, show_default=True, type=click.IntRange(min=100))
@click.option("--epsilons", default="2,4", show_default=True, help="Separated by commas.")
@click.option("--silos", default="1,4", show_default=True, help="Numbers of silos, separated by commas.")
@click.option("--seeds", default="0,1,2", show_default=True, help="Separated by commas.")
@click.option("--delta", default=1e-6, show_default=True)
@click.option("--validation", "on_validation", is_flag=True, help="Judge on customers of the training side.")
@click.option("--research-data", is_flag=True, help="Confirm that --data is a research set.")
@click.option(
    "--work",
    default=Path(".thousandfaces/fusion"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where measured cells are kept.",
)
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Write the table here too.")
def main(
    data: Path,
    items: int,
    epsilons: str,
    silos: str,
    seeds: str,
    delta: float,
    on_validation: bool,
    research_data: bool,
    work: Path,
    results: Path | None,
) -> None:
    """Measure every cell and print the table."""
    if not research_data:
        raise ConfigError(f"{data}: reads real purchases exactly; confirm with --research-data")
    cells = [
        Cell(float(epsilon), int(number), int(seed))
        for epsilon, number, seed in product(epsilons.split(","), silos.split(","), seeds.split(","))
    ]
    benchmark = Benchmark.read(data, items=items, delta=delta, on_validation=on_validation)
    found = run(benchmark, cells, work / ("validation" if on_validation else "test"))
    lines = table(found)
    click.echo("\n".join(lines))
    if results is not None:
        command = command_line(*COMMAND)
        facts = [*benchmark.facts(on_validation=on_validation), *summary(found)]
        write_results(results, "Fusion of towers and co-purchase", command, facts, lines)


if __name__ == "__main__":
    quiet_libraries()
    try:
        main()
    except ThousandFacesError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
