"""`thousandfaces bench cold-start`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from experiments import asked


@click.command(name="cold-start")
@asked.persons(6_000)
@asked.ITEMS
@asked.epsilon(2.0, "Person-level, of every training.")
@asked.WORLDS
@click.option(
    "--weeks-ahead",
    default=6,
    show_default=True,
    type=click.IntRange(1, 25),
    help="Weeks after the cut-off, each of which is measured.",
)
@asked.RESULTS
@asked.JSON
def cold_start(
    persons: int,
    items: int,
    epsilon: float,
    seeds: str,
    weeks_ahead: int,
    results: Path | None,
    as_json: bool,
) -> None:
    """Measure what is new: customers, items and silos; and a model that grows old.

    Trains privately on a simulated world, with all silos, without each one, and with each one alone.

    Example: thousandfaces bench cold-start --persons 6000 --items 800 --epsilon 2
    """
    from recsys.quiet import quiet_libraries

    quiet_libraries()
    from experiments.coldstart.options import ColdStartOptions
    from experiments.coldstart.run import run_cold_start
    from experiments.seeded import seed_numbers
    from training.progress import shown

    options = ColdStartOptions(persons=persons, items=items, epsilon=epsilon, weeks_ahead=weeks_ahead)
    numbers = seed_numbers(seeds)
    ahead = "" if weeks_ahead == ColdStartOptions.weeks_ahead else f" --weeks-ahead {weeks_ahead}"
    command = (
        f"thousandfaces bench cold-start --persons {persons} --items {items} --epsilon {epsilon:g} "
        f"--seeds {seeds}{ahead}"
    )
    with shown() as progress:
        found = run_cold_start(options, numbers, command=command, progress=progress)
    if results is not None:
        found.write(results)
    click.echo(json.dumps(found.to_dict()) if as_json else "\n".join(found.report()))
