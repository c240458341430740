"""`thousandfaces bench demand`."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(name="demand")
@click.option("--persons", default=100_000, show_default=True, help="Size of the simulated world.")
@click.option("--items", default=800, show_default=True, help="Items of the catalogue, at least 200.")
@click.option("--silos", default=4, show_default=True, help="Store groups, each person in one alone.")
@click.option(
    "--epsilon",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 64, min_open=True),
    help="Person-level.",
)
@click.option("--seeds", default="0", show_default=True, help="Separated by commas; each is another world.")
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables to this file too."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def demand(
    persons: int, items: int, silos: int, epsilon: float, seeds: str, results: Path | None, as_json: bool
) -> None:
    """Compare forecasts of sales by item and store area with what a simulated world sells afterwards.

    Example: thousandfaces bench demand --persons 100000 --silos 4 --epsilon 1 --seeds 0,1,2
    """
    from recsys.cli import quiet_libraries

    quiet_libraries()
    from experiments.demand.report import DemandOptions
    from experiments.demand.run import run_demand_bench
    from experiments.results_table import command_line
    from experiments.seeded import seed_numbers
    from training.progress import shown

    options = DemandOptions(persons=persons, items=items, silos=silos, epsilon=epsilon)
    command = command_line("thousandfaces", paths=("--results",))
    with shown() as progress:
        found = run_demand_bench(options, seed_numbers(seeds), command=command, progress=progress)
    if results is not None:
        found.write(results)
    click.echo(json.dumps(found.to_dict()) if as_json else "\n".join(found.report()))
