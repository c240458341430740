"""The privacy statement in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

SURE = 0.999


def in_plain_words(statement: Mapping[str, Any]) -> str:
    """What epsilon means for one customer; the statement's own words where it has some.

    An even guess about whether a person took part becomes at most e^epsilon / (1 + e^epsilon) sure: the bound
    of (epsilon, 0) differential privacy (Wasserman and Zhou 2010); delta bounds what may go beyond it.
    """
    for name in ("in_plain_words", "plain_words", "summary", "text"):
        if isinstance(statement.get(name), str):
            return str(statement[name])
    epsilon = statement.get("epsilon")
    if not isinstance(epsilon, int | float) or not math.isfinite(epsilon):
        return "This model makes no privacy promise: its statement names no epsilon."
    certainty = 1 / (1 + math.exp(-epsilon))
    bound = f"at most {certainty:.1%} sure" if certainty < SURE else "practically sure"
    return (
        "Suppose somebody sees everything that the silos ever published for this model, knows everything "
        "about everyone else, and starts from an even guess whether one person's data was used. They can "
        f"become {bound} (ε = {epsilon:.4g}{_beyond(statement.get('delta'))})."
    )


def _beyond(delta: object) -> str:
    if not isinstance(delta, int | float) or not 0 < delta < 1:
        return ""
    return f", apart from a chance of 1 in {round(1 / delta):,}"
