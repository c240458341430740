"""`thousandfaces replenishment`: lists of what customers need again, made and kept inside their silo."""

from __future__ import annotations

import math
import signal
import sys
from pathlib import Path

import click

from recsys.words import counted


def _number(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """Refuse 'nan', which no range does."""
    if value is not None and math.isnan(value):
        raise click.BadParameter("nan is no number here")
    return value


@click.group()
def replenishment() -> None:
    """List what customers will need again, and when, inside one silo."""


@replenishment.command()
@click.option(
    "--bundle",
    required=True,
    metavar="DIR|models:/NAME@ALIAS",
    help="The bundle whose model is used, or where to fetch it.",
)
@click.option(
    "--silo",
    "silo_toml",
    required=True,
    type=click.Path(path_type=Path),
    metavar="SILO.TOML",
    help="The silo whose customers are listed.",
)
@click.option(
    "--date",
    help="The day (its start in the silo's time zone) or ISO moment the list is for, also a future one; "
    "what happens later is not looked at.  [default: now]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A *.parquet or *.csv file.")
@click.option(
    "--within",
    default=14.0,
    show_default=True,
    type=click.FloatRange(0, 365, min_open=True),
    callback=_number,
    metavar="DAYS",
    help="List what is expected to be needed within so many days, or overdue.",
)
@click.option(
    "--least",
    type=click.FloatRange(0, 1),
    callback=_number,
    metavar="CHANCE",
    help="List instead what is needed with at least this chance within the shortest of 3, 7, 14 and 30 days "
    "that covers --within.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    metavar="N",
    help="At most so many items of a customer, the first by rank.",
)
@click.option(
    "--lead-days",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0, 30),
    callback=_number,
    help="Remind so many days ahead.",
)
def due(
    bundle: str,
    silo_toml: Path,
    date: str | None,
    out: Path,
    within: float,
    least: float | None,
    most: int | None,
    lead_days: float,
) -> None:
    """Write who needs what again: one row for each customer (with consent to personalisation) and item.

    The same numbers as the API gives. Rank 1 is what the customer's next basket is likeliest to hold: by how
    often baskets held it lately, its chance within the days, usual units and published popularity.

    The flags price_sensitive and dormant come from the customer's own events and public prices; they may
    decide on a coupon, never on a price of the customer's own.

    Example: thousandfaces replenishment due --bundle runs/RUN/bundle --silo silos/north/silo.toml
    --date 2026-03-02 --out due.parquet
    """
    import time

    from recsys.bundle.source import source_of
    from recsys.silos.config import SiloConfig
    from serving.replenishment.calendar import moment_of
    from serving.replenishment.duelist import write_due_list
    from serving.replenishment.output import check_path
    from serving.replenishment.rows import Question
    from serving.settings import default_cache

    # Asked to stop, take what has been written away: it names customers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    check_path(out)
    config = SiloConfig.load(silo_toml)
    now = int(time.time()) if date is None else moment_of(date, config.timezone)
    question = Question(now, config.timezone, lead_days, within, least, most)
    model = source_of(bundle, default_cache()).load()
    click.echo(f"reading silo {config.name}", err=True)

    written = write_due_list(config.training_silo(), model, question, out, _progress)
    if written.broken:
        click.echo(
            f"rows that break the contract are left out; see thousandfaces silo check {silo_toml}", err=True
        )
    if not written.rows:
        hint = "nothing is due then; give --date where the data end earlier, or a smaller --least"
        click.echo(hint, err=True)
    click.echo(f"{counted(written.rows, 'row')} of {counted(written.customers, 'customer')} in {out}")


def _progress(done: int, of: int) -> None:
    click.echo(f"{done:,} of {counted(of, 'customer')}", err=True)
