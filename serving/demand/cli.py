"""`thousandfaces demand`: forecasts of sales for shelves and suppliers."""

from __future__ import annotations

import math
from pathlib import Path

import click

from recsys.words import counted


@click.group()
def demand() -> None:
    """Foresee how many units of each item are bought in each store area."""


@demand.command()
@click.option(
    "--bundle",
    required=True,
    metavar="DIR|models:/NAME@ALIAS",
    help="The bundle whose forecast is written, or where to fetch it.",
)
@click.option(
    "--silo",
    "silo_toml",
    type=click.Path(path_type=Path),
    metavar="SILO.TOML",
    help="Only this silo, and only the items of its own table.  [default: all silos of the bundle]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A *.parquet or *.csv file.")
@click.option(
    "--days",
    multiple=True,
    default=(7.0, 14.0, 28.0),
    show_default=True,
    type=click.FloatRange(0, 366, min_open=True),
    help="Units within so many days after the data's end; give it several times for several horizons.",
)
@click.option(
    "--share",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="The forecast is of customers who consent to training; if they make this share of all units, the "
    "figures are divided by it.",
)
def forecast(bundle: str, silo_toml: Path | None, out: Path, days: tuple[float, ...], share: float) -> None:
    """Write units expected by silo, area and item, with the 80 % interval: one row for each horizon.

    Everything in it is made of noised and charged sums: it may be shown to suppliers.

    Example: thousandfaces demand forecast --bundle runs/RUN/bundle --silo silos/north/silo.toml
    --out demand.parquet
    """
    import numpy as np

    from recsys.bundle.source import source_of
    from recsys.data.contracts import Table
    from recsys.errors import BundleError
    from recsys.models.demand_forecast import DemandModel
    from recsys.silos.config import SiloConfig
    from serving.demand.rows import SCHEMA, tables
    from serving.replenishment.output import check_path, whole_file
    from serving.settings import default_cache

    if any(map(math.isnan, (share, *days))):  # no range refuses it
        raise click.BadParameter("nan is no number here")
    check_path(out)
    config = None if silo_toml is None else SiloConfig.load(silo_toml)
    content = source_of(bundle, default_cache()).load()
    model = DemandModel.from_arrays(content.demand, content.catalogue)
    if model is None:
        raise BundleError(f"{bundle}: has no forecast of sales; train with a share for 'demand'")
    carried = np.ones(len(content.catalogue), np.bool_)
    if config is not None:
        positions = content.catalogue.indices(config.base_silo().read(Table.ITEMS)["item_id"])
        carried = np.isin(np.arange(len(carried)), positions)
    rows = 0
    with whole_file(out, SCHEMA) as writer:
        for name in model.silos if config is None else (config.name,):
            for table in tables(model, content.catalogue.item_ids, name, days, carried, share=share):
                writer.write_table(table)
                rows += table.num_rows
    click.echo(f"{counted(rows, 'row')} in {out}")
