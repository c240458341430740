"""Compare the simulated world with the real purchases that it is calibrated on.

    python -m experiments.benchmarks.world_realism --data DIR [--json] [--output FILE]

DIR holds `dunnhumby_lgsr/transactions.parquet` (dunnhumby, "Let's Get Sort-of-Real": columns customer_id,
item_id, timestamp in Unix seconds). Every figure, real or simulated, is computed when the command runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from experiments.benchmarks.world_comparison import WINDOWS, Figures, compare
from experiments.results_table import shown
from recsys.errors import ThousandFacesError
from recsys.silos.simulator.config import WorldConfig
from recsys.words import NO_VALUE

TOLERANCE = 0.20
CALIBRATED = ("popularity Gini", "repeat share", "personal / global recall@10")
COMPARED = (*CALIBRATED, "global recall@10", "personal recall@10")

EXPLANATION = """\
The real set is dunnhumby "Let's Get Sort-of-Real" (semi-synthetic supermarket, 27 months). "Whole span"
is all of it; "{weeks} weeks" is the mean over its last {windows} windows as long as the simulated
world. Purchases are distinct (customer, item, day); the world's silos are pooled by person. The first
three rows are the calibration: they must lie within 20 % of the whole span. The recalls are of the last
basket (one day) of customers with 5 or more baskets, who keep the rest for training: the 10 items of
the most baskets, and the customer's own 10 most frequent.

Not calibrated: the variation of re-purchase gaps (median coefficient of variation over customer-item
pairs with 5 or more gaps; the real set is semi-synthetic, its timing over the whole span close to
memoryless) and the weekday (the real set is flat over the week). The oracle knows every person's true
taste: it says how much of the first-time purchases in the last basket could be found at all with a list
of 20 items never bought before, against popularity.
"""


def within(real: float, simulated: float) -> bool:
    """Within TOLERANCE of the real figure."""
    return abs(simulated / real - 1) <= TOLERANCE


def render(found: dict[str, Figures], config: WorldConfig) -> str:
    """The comparison as a Markdown table."""
    weeks, rows = config.weeks, []
    for name, value in found["simulated"].items():
        real, window = found["real"].get(name), found["real windows"].get(name)
        checks = [_deviation(reference, value, name) for reference in (real, window)]
        figures = [shown(figure, ".3f") for figure in (real, window, value)]
        rows.append(f"| {' | '.join([name, *figures, *checks])} |")
    head = (
        f"| statistic | real, whole | real, {weeks} weeks | simulated | to whole | to {weeks} weeks |",
        "|---|--:|--:|--:|--:|--:|",
    )
    return "\n".join([*head, *rows])


def _deviation(real: float | None, simulated: float, name: str) -> str:
    if real is None or name not in COMPARED:
        return NO_VALUE
    verdict = "" if within(real, simulated) else " (outside)"
    return f"{simulated / real - 1:+.1%}{verdict}"


def document(table: str, config: WorldConfig) -> str:
    """The result file: what made it, what the columns mean, the table."""
    return "\n".join(
        [
            "# How real the simulated world is",
            "",
            f"Made by `python -m experiments.benchmarks.world_realism --data DIR --persons {config.persons} "
            f"--output FILE` at commit {_commit()} on {datetime.now(UTC).date()}; world seed {config.seed}.",
            "",
            *EXPLANATION.format(windows=WINDOWS, weeks=config.weeks).splitlines(),
            "",
            table,
            "",
        ]
    )


def _commit() -> str:
    """The commit, marked where the code that made the figures differs from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    folder, paths = (
        str(Path(__file__).resolve().parents[2]),
        ["recsys/silos/simulator", "experiments/benchmarks"],
    )
    head, changed = (
        subprocess.run([git, "-C", folder, *words], capture_output=True, text=True).stdout.strip()  # noqa: S603
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--short", *paths])
    )
    return f"{head or 'unknown'}{' (changed)' if changed else ''}"


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--data", type=click.Path(path_type=Path), required=True, help="Folder that holds dunnhumby_lgsr/."
)
@click.option("--persons", type=click.IntRange(min=1), default=WorldConfig().persons, show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Also write the table to this Markdown file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def main(data: Path, persons: int, output: Path | None, as_json: bool) -> None:
    """Compute both sides, print them, and say with the exit code if a calibrated figure is outside."""
    config = WorldConfig(persons=persons)
    found = compare(data, config)
    table = render(found, config)
    passed = all(within(found["real"][name], found["simulated"][name]) for name in CALIBRATED)
    if output is not None:
        output.write_text(document(table, config), encoding="utf-8")
    click.echo(json.dumps({"passed": passed, **found}) if as_json else table)
    if not passed:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except ThousandFacesError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
