"""Checks that other packages offer by entry point: what a server tells others of one customer.

Training may not import serving, and an installed copy has both: the entry-point group joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any
from unittest.mock import patch

from training import coordinator
from training.audit.checks.bench import Bench, bench
from training.audit.checks.edits import busiest
from training.audit.finding import Finding
from training.config_file import load_config
from training.run import run_training

GROUP = "thousandfaces.audit_checks"
SETTINGS = (
    "copurchase.top_items=60",
    "copurchase.rank=4",
    "privacy.shares.intervals=0.02",
    "privacy.shares.followups=0.05",
    "privacy.shares.demand=0.05",
    "until=2026-06-22T00:00:00Z",
    "privacy.shares.towers=0.43",
    "towers.steps=2",
    "towers.embedding_dim=4",
)


def neighbours_at_the_server() -> list[Finding]:
    """A small real run's bundle, served over two neighbouring silos. No check on offer is a failure."""
    offered = list(entry_points(group=GROUP))
    if not offered:
        words = f"no package offers a check in the group '{GROUP}'; install the whole of thousandfaces"
        return [Finding("server", False, 0, 1, words)]
    world = bench().copy()
    bundle, silo = _bundle(world), world.federation.silos[0]
    other = bench().neighbour.copy().federation.silos[0]
    gone = busiest(world.federation.silo_configs()[0].base_silo())
    return [
        found for point in offered for found in _findings(point.name, point.load(), bundle, silo, other, gone)
    ]


def _findings(
    name: str, check: Callable[..., Any], bundle: Path, silo: Path, other: Path, gone: str
) -> Iterator[Finding]:
    told = check(bundle, silo, other, gone)
    if not told:
        yield Finding("server", False, 0, 1, f"{name} compared nothing")
    for held, words in told:
        yield Finding("server", bool(held), float(not held), 0.0, words)


def _bundle(world: Bench) -> Path:
    output = world.scratch()
    config = load_config(None, SETTINGS, {"federation": world.root / "federation.toml", "output": output})

    class Recorded:
        name, version = "recommender", 1

    # MLflow's database takes longer to make than the run, and the server reads the bundle's folder.
    with patch.object(coordinator, "record_run", lambda *_: Recorded):
        return run_training(config, resume=False).bundle_folder
