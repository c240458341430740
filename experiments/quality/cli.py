"""`thousandfaces bench quality`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Literal

import click

from experiments import asked
from experiments.coldstart.cli import cold_start
from experiments.demand.cli import demand
from experiments.followups.cli import followups
from experiments.replenishment.cli import replenishment
from experiments.replenishment.truth_cli import replenishment_truth
from experiments.season.cli import season

PROTOCOLS = ("next-basket", "basket-completion", "strong-generalisation", "leave-one-out", "temporal")


@click.group()
def bench() -> None:
    """Measure models side by side, on public data sets and on simulated worlds."""


bench.add_command(cold_start)
bench.add_command(followups)
bench.add_command(season)
bench.add_command(demand)
bench.add_command(replenishment)
bench.add_command(replenishment_truth)


@bench.command()
@asked.data("interactions, transactions, baskets or ratings.parquet")
@click.option("--protocol", required=True, type=click.Choice(PROTOCOLS), help="How purchases are split.")
@click.option(
    "--silos", default="4", show_default=True, help="A number (customers dealt by hash), or column:NAME."
)
@asked.epsilon()
@asked.DELTA
@asked.SEED
@asked.SEEDS
@click.option("--items", type=int, help="Keep so many of the most bought items.  [default: all]")
@click.option(
    "--item-list",
    default="benchmark",
    show_default=True,
    type=click.Choice(("benchmark", "private")),
    help="Which: counted exactly, as published, or by noised popularity out of the same epsilon.",
)
@asked.CUTOFF
@asked.config("the protocol's preset (experiments/configs/bench)")
@asked.METHODS
@click.option(
    "--max-silos-per-person",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="With silos by a column: in how many one person's records train.",
)
@click.option(
    "--own-history",
    default="all",
    show_default=True,
    type=click.Choice(("all", "silo")),
    help="With silos by a column: what a ranking reads of its customer, of all silos or of one.",
)
@asked.RESEARCH_DATA
@asked.RESULTS
@asked.OUTPUT
@asked.JSON
def quality(
    data: Path,
    protocol: str,
    silos: str,
    epsilon: float,
    delta: float,
    seed: int,
    seeds: str | None,
    items: int | None,
    item_list: str,
    cutoff: datetime | None,
    config: Path | None,
    methods: str | None,
    max_silos_per_person: int,
    own_history: Literal["all", "silo"],
    research_data: bool,
    results: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Compare the private federated model with published non-private methods on one split.

    The held-out purchases are read exactly, so this runs on research data only, and says so.

    Example: thousandfaces bench quality --data DIR --protocol temporal --epsilon 2 --research-data
    """
    from recsys.quiet import quiet_libraries

    quiet_libraries()
    from experiments.quality.item_list import ItemList
    from experiments.quality.protocols import Protocol
    from experiments.quality.run import METHODS, QualityOptions
    from experiments.quality.seeds import run_all
    from experiments.results_table import command_line
    from experiments.seeded import seed_numbers
    from training.progress import shown

    options = QualityOptions(
        data=data,
        protocol=Protocol(protocol),
        silos=silos,
        epsilon=epsilon,
        delta=delta,
        items=items,
        item_list=ItemList(item_list),
        cutoff=None if cutoff is None else cutoff.date(),
        config=config,
        methods=tuple(methods.split(",")) if methods else METHODS,
        max_silos_per_person=max_silos_per_person,
        own_history=own_history,
    )
    numbers = seed_numbers(seeds) if seeds else [seed]
    command = command_line("thousandfaces")
    with shown() as progress:
        found = run_all(
            options, numbers, command=command, research_data=research_data, output=output, progress=progress
        )
    if results is not None:
        found.write(results)
    click.echo(json.dumps(found.to_dict()) if as_json else "\n".join(found.report()))
