"""Refusals: what is no number, no probability or no count never enters a plan or a ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real

from recsys.errors import PlanError

# Outside these the squares and exponentials of the accounting leave the range of float64.
SMALLEST, LARGEST = 1e-9, 1e9
MIN_EPSILON, MAX_EPSILON = 1e-3, 100.0


def positive(name: str, value: object) -> float:
    """The value as a float if it is a finite number in [1e-9, 1e9]; PlanError otherwise."""
    number = finite(name, value)
    if not SMALLEST <= number <= LARGEST:
        raise PlanError(f"{name} is {value!r}; give a finite number above 0 (between 1e-9 and 1e9)")
    return number


def probability(name: str, value: object) -> float:
    """The value as a float if it is in (0, 1]; PlanError otherwise."""
    number = finite(name, value)
    if not 0.0 < number <= 1.0:
        raise PlanError(f"{name} is {value!r}; give a number above 0 and at most 1")
    return number


def delta_value(value: object) -> float:
    """The value as a float if it is in (0, 1); PlanError otherwise."""
    number = finite("delta", value)
    if not 1e-300 <= number < 1.0:
        raise PlanError(f"delta is {value!r}; give a number above 0 and below 1, such as 1e-6")
    return number


def target_epsilon(value: object) -> float:
    """The value as a float if it is a target that can be met and means something; PlanError otherwise."""
    number = finite("target_epsilon", value)
    if not MIN_EPSILON <= number <= MAX_EPSILON:
        raise PlanError(f"target_epsilon is {value!r}; give a number from {MIN_EPSILON:g} to {MAX_EPSILON:g}")
    return number


def federation(registered: Mapping[str, int], max_silos_per_person: object, delta: float) -> dict[str, int]:
    """The registered customers, silo by silo in order; PlanError if the public facts contradict each other.

    delta must be below 1 / (all registered customers): at or above it, publishing one customer at random
    would pass.
    """
    customers = {
        str(name): count(f"registered_customers of '{name}'", registered[name]) for name in registered
    }
    if not customers:
        raise PlanError(
            "registered_customers is empty; register each silo with its public number of customers"
        )
    if count("max_silos_per_person", max_silos_per_person) > len(customers):
        raise PlanError(
            f"max_silos_per_person is {max_silos_per_person}, but only {len(customers)} are registered"
        )
    if delta * sum(customers.values()) >= 1:
        raise PlanError(
            f"delta {delta:g} is not below 1 / {sum(customers.values())} registered customers; lower it"
        )
    return dict(sorted(customers.items()))


def count(name: str, value: object) -> int:
    """The value as an int if it is a whole number of at least 1 (and below 2^53); PlanError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= int(value) < 2**53:
        raise PlanError(f"{name} is {value!r}; give a whole number of at least 1")
    return int(value)


def finite(name: str, value: object) -> float:
    """The value as a float if it is a finite number; PlanError otherwise."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise PlanError(f"{name} is {value!r}; give a finite number")
    return float(value)
