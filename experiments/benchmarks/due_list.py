"""Time and memory of the due list of a whole silo: many customers, each with many consumables.

    python -m experiments.benchmarks.due_list --bundle DIR [--customers 1000000] [--items 20] [--json]

Makes a silo whose customers buy items of the bundle's catalogue at rhythms of their own, in no order, and
runs `thousandfaces replenishment due` on it in a process of its own: reading, checks, consent, needs, file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.quality.resources import peak_memory
from experiments.results_table import command_line, write_results
from recsys.bundle.store import read_bundle
from recsys.data.history import SECONDS_PER_DAY
from recsys.data.vocab import Catalogue
from recsys.errors import TrainingError
from recsys.seeds import rng

MOST_MINUTES, MOST_MEGABYTES = 10.0, 4 * 1024.0
COMMAND = ("python", "-m", "experiments.benchmarks.due_list")
LAST = int(datetime(2026, 3, 1, 20, tzinfo=UTC).timestamp())
DATE = "2026-03-02"
BLOCK = 50_000  # customers whose purchases are written together
SHORTEST, LONGEST = 5.0, 90.0  # days between purchases
TOML = 'name = "benchmark"\nregistered_customers = {customers}\nepsilon_cap = 1.0\ndelta = 1e-9\n'


def make_silo(folder: Path, catalogue: Catalogue, customers: int, items: int, purchases: int) -> Path:
    """A silo on disk; its silo.toml. Each customer buys `items` items, each so many times, all consent."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "silo.toml"
    if path.exists():
        return path
    ids = pa.array([f"c{number:08d}" for number in range(customers)])
    yes = np.ones(customers, np.bool_)
    people = {"customer_id": ids, "consent_training": yes, "consent_personalisation": yes}
    pq.write_table(pa.table(people), folder / "customers.parquet")
    pq.write_table(catalogue.to_table(), folder / "items.parquet")
    schema = pa.schema(
        [
            ("customer_id", pa.string()),
            ("item_id", pa.string()),
            ("quantity", pa.float64()),
            ("timestamp", pa.timestamp("us", tz="UTC")),
        ]
    )
    names = pa.array(catalogue.item_ids)
    with pq.ParquetWriter(folder / "interactions.parquet", schema) as writer:
        for start in range(0, customers, BLOCK):
            writer.write_table(_block(ids.slice(start, BLOCK), names, schema, start, items, purchases))
    path.write_text(TOML.format(customers=customers))
    return path


def _block(
    ids: pa.Array, names: pa.Array, schema: pa.Schema, seed: int, items: int, purchases: int
) -> pa.Table:
    random = rng(seed, "due-list")
    pairs = len(ids) * items
    customer = np.repeat(np.arange(len(ids)), items)
    first = random.integers(0, len(names), len(ids))
    item = (np.repeat(first, items) + np.tile(np.arange(items), len(ids)) * 7) % len(names)
    gap = np.exp(random.uniform(np.log(SHORTEST), np.log(LONGEST), pairs)) * SECONDS_PER_DAY
    ago = gap * random.random(pairs)
    times = []
    for _ in range(purchases):
        times.append(LAST - ago)
        ago = ago + gap * random.lognormal(0.0, 0.3, pairs)
    order = random.permutation(pairs * purchases)
    microseconds = (np.concatenate(times)[order] * 1e6).astype(np.int64)
    return pa.table(
        {
            "customer_id": ids.take(pa.array(np.tile(customer, purchases)[order])),
            "item_id": names.take(pa.array(np.tile(item, purchases)[order])),
            "quantity": np.ones(len(order)),
            "timestamp": pa.array(microseconds, pa.timestamp("us", tz="UTC")),
        },
        schema=schema,
    )


def run(bundle: Path, silo: Path, out: Path, least: float) -> dict[str, Any]:
    """The command on the silo: seconds by the clock and of processors, peak memory, rows written."""
    program = [sys.executable, "-P", "-c", "from recsys.cli import main; main()", "replenishment", "due"]
    options = ["--bundle", str(bundle), "--silo", str(silo), "--date", DATE, "--out", str(out)]
    options += ["--least", str(least)]
    begin, before = time.perf_counter(), os.times()
    with peak_memory() as peak:
        done = subprocess.run([*program, *options], stderr=subprocess.PIPE, text=True)  # noqa: S603
    after = os.times()
    if done.returncode:
        raise TrainingError(f"the command failed: {done.stderr.strip().splitlines()[-1]}")
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return {
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(worked, 1),
        "peak_rss_mb": round(peak.megabytes, 1),
        "load": round(os.getloadavg()[0], 2),
        "rows": pq.ParquetFile(out).metadata.num_rows,
        "bytes": out.stat().st_size,
    }


@click.command(help=__doc__.splitlines()[0])
@click.option("--bundle", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--customers", default=1_000_000, show_default=True, type=click.IntRange(min=1))
@click.option("--items", default=20, show_default=True, type=click.IntRange(1, 1000), help="Of a customer.")
@click.option("--purchases", default=3, show_default=True, type=click.IntRange(1, 100), help="Of an item.")
@click.option("--least", default=0.2, show_default=True, help="List what is needed with this chance.")
@click.option(
    "--work",
    default=Path(".thousandfaces/due_list"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where silos and lists are kept.",
)
@click.option("--results", type=click.Path(dir_okay=False, path_type=Path), help="Write a table here too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def main(
    bundle: Path,
    customers: int,
    items: int,
    purchases: int,
    least: float,
    work: Path,
    results: Path | None,
    as_json: bool,
) -> None:
    """Make the silo unless it is there, list, and tell time, memory and whether the bars are met."""
    folder = work / f"{customers}-{items}-{purchases}"
    served = read_bundle(bundle)
    silo = make_silo(folder, served.catalogue, customers, items, purchases)
    found = run(bundle, silo, folder / "due.parquet", least)
    met = found["seconds"] <= 60 * MOST_MINUTES and found["peak_rss_mb"] <= MOST_MEGABYTES
    found |= {"customers": customers, "items": items, "purchases": purchases, "least": least, "bars_met": met}
    found |= {"n_items": len(served.catalogue), "model": sorted(served.intervals)}
    if results is not None:
        _write(results, found)
    click.echo(
        json.dumps(found) if as_json else "\n".join(f"{name}: {value}" for name, value in found.items())
    )


def _write(path: Path, found: dict[str, Any]) -> None:
    told = "met" if found["bars_met"] else "MISSED"
    facts = [
        f"{found['customers']:,} customers with {found['items']} consumables each, each bought "
        f"{found['purchases']} times; listed is what is needed within 14 days with a chance of "
        f"{found['least']:g} or more",
        f"a bundle of {found['n_items']:,} items, its replenishment model with {', '.join(found['model'])}",
        "one process that works alone; peak memory: of the process tree, with that of the benchmark itself; "
        "load: of the machine at the end, so that a wait for others is seen",
        f"bars: {MOST_MINUTES:g} minutes, {MOST_MEGABYTES:,.0f} MB: {told}",
    ]
    names = ("seconds", "cpu_seconds", "peak_rss_mb", "rows", "bytes", "load")
    table = [
        "| seconds | of processors, s | peak memory, MB | rows | bytes | load |",
        "|--:|--:|--:|--:|--:|--:|",
        "| " + " | ".join(f"{found[name]:,}" for name in names) + " |",
    ]
    title = "The due list of a whole silo: time and memory"
    write_results(path, title, command_line(*COMMAND), facts, table)


if __name__ == "__main__":
    main()
