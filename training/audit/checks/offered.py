"""Checks that other packages offer by entry point: what a server tells others of one customer.

Training may not import serving, and an installed copy has both: the entry-point group joins them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from training.audit.checks.bench import bench
from training.audit.checks.edits import busiest
from training.audit.checks.published import whole_run
from training.audit.finding import Finding

GROUP = "thousandfaces.audit_checks"


def load() -> list[EntryPoint]:
    """What is on offer, imported."""
    offered = list(entry_points(group=GROUP))
    for point in offered:
        point.load()
    return offered


def neighbours_at_the_server() -> list[Finding]:
    """The bundle of a small run, served over two neighbouring silos. No check on offer is a failure."""
    offered = load()
    if not offered:
        words = f"no package offers a check in the group '{GROUP}'; install the whole of thousandfaces"
        return [Finding("server", False, 0, 1, words)]
    world = bench().copy()
    bundle, silo = whole_run().bundle, world.federation.silos[0]
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
