"""All mutants by name; other packages offer theirs by entry point, since training may not import them."""

from __future__ import annotations

from importlib.metadata import entry_points

from training.audit.mutants import (
    books,
    corners,
    forgetting,
    gradients,
    later,
    noise,
    persons,
    replies,
    rows,
    sampling,
    shapes,
    shown,
    sources,
    telling,
)
from training.audit.mutants.registry import Mutant, mutants_of

GROUP = "thousandfaces.audit_mutants"

MUTANTS: dict[str, Mutant] = (
    noise.MUTANTS
    | gradients.MUTANTS
    | sampling.MUTANTS
    | books.MUTANTS
    | shapes.MUTANTS
    | persons.MUTANTS
    | telling.MUTANTS
    | replies.MUTANTS
    | forgetting.MUTANTS
    | rows.MUTANTS
    | later.MUTANTS
    | sources.MUTANTS
    | corners.MUTANTS
    | shown.MUTANTS
    | mutants_of(*(point.load() for point in entry_points(group=GROUP)))
)
