"""All mutants by name."""

from __future__ import annotations

from training.audit.mutants import books, gradients, noise, persons, sampling, shapes, telling
from training.audit.mutants.registry import Mutant

MUTANTS: dict[str, Mutant] = (
    noise.MUTANTS
    | gradients.MUTANTS
    | sampling.MUTANTS
    | books.MUTANTS
    | shapes.MUTANTS
    | persons.MUTANTS
    | telling.MUTANTS
)
