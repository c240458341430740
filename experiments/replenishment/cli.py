"""`thousandfaces bench replenishment`."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from experiments import asked


@click.command()
@asked.data("interactions, transactions or baskets.parquet that has timestamps")
@asked.silos("Customers are dealt to so many by hash.")
@asked.epsilon(1.0)
@asked.DELTA
@asked.SEED
@asked.SEEDS
@asked.CUTOFF
@asked.config("the preset (experiments/configs/bench/replenishment.toml)")
@asked.METHODS
@asked.RESEARCH_DATA
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a table here too, and the reliability plot beside it (.png).",
)
@asked.OUTPUT
@asked.JSON
def replenishment(
    data: Path,
    silos: int,
    epsilon: float,
    delta: float,
    seed: int,
    seeds: str | None,
    cutoff: datetime | None,
    config: Path | None,
    methods: str | None,
    research_data: bool,
    results: Path | None,
    output: Path,
    as_json: bool,
) -> None:
    """Compare when customers buy again with what was forecast: by the private model, and by others.

    Purchases before a date are known; chances within 3, 7, 14 and 30 days, dates and lists are measured
    on those after it.

    Example: thousandfaces bench replenishment --data DIR --silos 4 --epsilon 1 --research-data
    """
    from recsys.quiet import quiet_libraries

    quiet_libraries()
    from experiments.replenishment.methods import METHODS
    from experiments.replenishment.options import ReplenishmentOptions
    from experiments.replenishment.run import run_all
    from experiments.results_table import command_line
    from experiments.seeded import seed_numbers
    from training.progress import shown

    options = ReplenishmentOptions(
        data=data,
        silos=silos,
        epsilon=epsilon,
        delta=delta,
        cutoff=None if cutoff is None else cutoff.date(),
        config=config,
        methods=tuple(methods.split(",")) if methods else METHODS,
    )
    with shown() as progress:
        found = run_all(
            options,
            seed_numbers(seeds) if seeds else [seed],
            command=command_line("thousandfaces"),
            research_data=research_data,
            output=output,
            plots=None if results is None else results.with_suffix(".png"),
            progress=progress,
        )
    if results is not None:
        found.write(results)
    click.echo(json.dumps(found.to_dict()) if as_json else "\n".join(found.report()))
