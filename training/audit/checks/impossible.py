"""A customer whose rows break the contract: they alone may be set aside, and nobody may be told."""

from __future__ import annotations

import numpy as np

from training.audit.checks.bench import Bench, bench
from training.audit.checks.noise import EVERYONE
from training.audit.checks.sensitivity import ROUNDED, bound_of, exact_sum
from training.audit.checks.subject import Subject
from training.audit.checks.worlds import with_impossible_rows
from training.audit.finding import Finding
from training.config import INTERVALS, METRICS, POPULARITY, TOWERS
from training.node import Node

LOOKED_AT = (POPULARITY, INTERVALS, METRICS, TOWERS)
"""All sums are of rows that are read once; here of purchases, of times, of what is held out, and of taste."""


def broken_rows() -> list[Finding]:
    """Sums over files with a customer whose every row is impossible, and over files without that customer."""
    world = bench()
    plan, subjects = world.plan(EVERYONE), (_read(world.copy()), _read(with_impossible_rows(world.copy())))
    found = list[Finding]()
    for name in LOOKED_AT:
        whole, more = (exact_sum(subject, name, plan) for subject in subjects)
        moved, bound = float(np.linalg.norm(whole - more)), ROUNDED * bound_of(plan, name)
        words = f"{name}: rows that are set aside move the sum by {moved:.3g} of {bound:.3g}"
        found.append(Finding("broken rows", moved <= bound, moved, bound, words))
    return found


def _read(world: Bench) -> Subject:
    """The first silo of these files, read as a deployed silo reads them."""
    subject, files = Subject(bench()), world.federation.silo_configs()[0]
    own = {"folder": files.folder, "online": files.online}
    subject.node = Node(subject.node.config.model_copy(update=own), world.federation)
    return subject
