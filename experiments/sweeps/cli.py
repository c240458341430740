"""`thousandfaces experiment`: one trial, a sweep, and the report on sweeps."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.quiet import quiet_libraries
from recsys.words import counted

if TYPE_CHECKING:
    from experiments.sweeps.grid import Trial
    from experiments.sweeps.runner import SweepResult
    from experiments.sweeps.spec import SweepSpec, Value

FOLDER = Path(".thousandfaces/sweeps")


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.argument("spec", type=click.Path(dir_okay=False, path_type=Path)),
        click.option(
            "--output",
            type=click.Path(file_okay=False, path_type=Path),
            help=f"Folder of the sweep's records.  [default: {FOLDER}/NAME]",
        ),
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            help="The folder that holds the study's file; simulated worlds and silos need none.",
        ),
        click.option(
            "--research-data",
            is_flag=True,
            help="Confirm that the data are a research set: results are stamped 'outside the claim'.",
        ),
        click.option(
            "--charge",
            is_flag=True,
            help="Confirm that the silos' ledgers may be charged, as shown without it.",
        ),
        click.option("--tracking-uri", help="An MLflow server.  [default: a database in the output folder]"),
        click.option(
            "--json", "as_json", is_flag=True, help="Print the records as one JSON object on stdout."
        ),
    ):
        command = option(command)
    return command


@click.group()
def experiment() -> None:
    """Run trials and sweeps, and draw the privacy-utility frontier.

    SPEC is a TOML file such as experiments/configs/sweeps/epsilon.toml: data (the simulated world unless it
    says otherwise), training settings, seeds, a grid, and which methods to compare.
    """


@experiment.command()
@click.option(
    "--at", "places", multiple=True, metavar="AXIS=VALUE", help="Where on the grid.  [default: first values]"
)
@click.option(
    "--trial", "number", default=0, show_default=True, type=click.IntRange(min=0), help="Which seed."
)
@_options
def run(places: tuple[str, ...], number: int, **options: Any) -> None:
    """Run one trial of a sweep; the sweep itself will not run it again.

    Example: thousandfaces experiment run experiments/configs/sweeps/epsilon.toml --at epsilon=2
    """
    spec = _loaded(options["spec"])
    cell = {axis: str(values[0]) for axis, values in spec.grid.items()}
    cell |= dict([_place(place, cell) for place in places])

    def chosen(trial: Trial) -> bool:
        here = all(_same(value, cell[axis]) for axis, value in trial.cell.items())
        return here and trial.number == number

    words = [f"--at {shlex.quote(place)}" for place in places] + ([f"--trial {number}"] if number else [])
    _run(spec, options, ["run", shlex.quote(str(options["spec"])), *words], chosen)


@experiment.command()
@_options
def sweep(**options: Any) -> None:
    """Run every cell of a sweep with every seed; given again, it goes on where it stopped.

    Finished trials are kept, half-done ones redone, failed ones recorded with their error (exit code 4) and
    tried again the next time. At the end the report is written beside the records.

    Example: thousandfaces experiment sweep experiments/configs/sweeps/epsilon.toml
    """
    spec = _loaded(options["spec"])
    _run(spec, options, ["sweep", shlex.quote(str(options["spec"]))], lambda _: True)


@experiment.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the page goes.  [default: report.html in the first folder]",
)
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Write Markdown tables here too."
)
def report(folders: tuple[Path, ...], html: Path | None, results: Path | None) -> None:
    """Draw the frontier of one or several sweeps: one HTML file that needs nothing else.

    Example: thousandfaces experiment report .thousandfaces/sweeps/epsilon --results frontier.md
    """
    quiet_libraries()
    from experiments.sweeps.frontier import read_frontier
    from experiments.sweeps.report import REPORT, write_html, write_markdown

    frontiers = [read_frontier(folder) for folder in folders]
    command = f"thousandfaces experiment report {shlex.join(map(str, folders))}"
    page = html or folders[0] / REPORT
    write_html(frontiers, page, command=command)
    if results is not None:
        write_markdown(frontiers, results, command=command)
    click.echo(f"Report: {page}" + (f", tables: {results}" if results else ""))


def _loaded(path: Path) -> SweepSpec:
    quiet_libraries()
    from experiments.sweeps.grid import load_sweep

    return load_sweep(path)


def _place(text: str, axes: Mapping[str, str]) -> tuple[str, str]:
    axis, equals, value = text.partition("=")
    if not equals or axis not in axes:
        raise click.UsageError(
            f"--at {text!r}: write AXIS=VALUE, with an axis of [grid]: {', '.join(axes) or 'none'}"
        )
    return axis, value


def _same(value: Value, text: str) -> bool:
    """Whether somebody who wrote `text` meant this value of the grid: 2 is 2.0, true is True."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value).lower() == text.lower()
    try:
        return float(text) == float(value)
    except ValueError:
        return False


def _run(spec: SweepSpec, given: dict[str, Any], words: list[str], chosen: Callable[[Trial], bool]) -> None:
    from experiments.sweeps.runner import SweepOptions, Watch, run_sweep
    from training.progress import shown

    confirmed = ["--data DIR"] if given["data"] else []
    confirmed += [f"--{name.replace('_', '-')}" for name in ("research_data", "charge") if given[name]]
    options = SweepOptions(
        given["output"] or FOLDER / spec.name,
        str(given["spec"]),
        " ".join(["thousandfaces experiment", *words, *confirmed]),
        **{name: given[name] for name in ("data", "research_data", "charge", "tracking_uri")},
    )
    with shown() as progress:
        watch = Watch(progress, lambda line: click.echo(line, err=True))
        result = run_sweep(spec, options, chosen=chosen, watch=watch)
    _tell(result, as_json=given["as_json"])


def _tell(result: SweepResult, *, as_json: bool) -> None:
    """Say how it ended. Raises TrainingError if a trial failed, so that the exit code says so."""
    from experiments.sweeps.report import REPORT
    from recsys.errors import TrainingError

    folder, failed = result.folder.path, result.failed
    planned = counted(len(result.records), "trial")
    if as_json:
        records = [asdict(record) for record in result.records]
        click.echo(json.dumps({"folder": str(folder), "failed": len(failed), "trials": records}))
    else:
        click.echo(f"{len(result.records) - len(failed)} of {planned} finished: {folder / REPORT}")
    if failed:
        raise TrainingError(
            f"{len(failed)} of {planned} failed, the first with {failed[0].error}; "
            "give the same command again to try them again"
        )
