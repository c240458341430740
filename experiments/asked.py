"""What benchmarks are asked for alike: options of commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

LEAST_PERSONS, LEAST_ITEMS = 100, 200
"""Of simulated worlds: with fewer persons silos are empty, with fewer items categories are."""

Option = Callable[[Callable[..., Any]], Callable[..., Any]]

RESULTS = click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables to this file too."
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")

ITEMS = click.option(
    "--items",
    default=800,
    show_default=True,
    type=click.IntRange(min=LEAST_ITEMS),
    help="Items of the catalogue.",
)
WORLDS = click.option(
    "--seeds", default="0", show_default=True, help="Separated by commas; each is another world."
)

DELTA = click.option(
    "--delta", default=1e-6, show_default=True, type=click.FloatRange(0, 1e-3, min_open=True)
)
SEED = click.option("--seed", default=0, show_default=True, help="Seed of the run.")
SEEDS = click.option("--seeds", help="Several seeds, separated by commas: all are shown, with their median.")
CUTOFF = click.option(
    "--cutoff",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day that is not known, where dates cut the data.  [default: a public rule]",
)
METHODS = click.option("--methods", help="Methods, separated by commas.  [default: all]")
RESEARCH_DATA = click.option(
    "--research-data",
    is_flag=True,
    help="Confirm that --data is a research set: results are stamped 'outside the claim'.",
)
OUTPUT = click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".thousandfaces/bench"),
    show_default=True,
    help="Where runs are recorded (MLflow).",
)


def persons(default: int, least: int = LEAST_PERSONS) -> Option:
    """How large the simulated world is."""
    return click.option(
        "--persons",
        default=default,
        show_default=True,
        type=click.IntRange(min=least),
        help="Size of the simulated world.",
    )


def silos(of: str) -> Option:
    """How many silos there are."""
    return click.option("--silos", default=4, show_default=True, type=click.IntRange(min=1), help=of)


def epsilon(default: float | None = None, of: str = "Person-level.") -> Option:
    """The promise; required where there is no default."""
    return click.option(
        "--epsilon",
        default=default,
        required=default is None,
        show_default=default is not None,
        type=click.FloatRange(0, 64, min_open=True),
        help=of,
    )


def data(files: str) -> Option:
    """The folder of purchases."""
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option("--data", required=True, type=folder, help=f"A folder with {files}.")


def config(preset: str) -> Option:
    """What is configured over a preset."""
    file = click.Path(dir_okay=False, path_type=Path)
    return click.option("--config", type=file, help=f"Training configuration, over {preset}.")
