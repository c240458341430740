"""Names for people: of metrics, axes and the grid's values."""

from __future__ import annotations

from experiments.sweeps.methods import LIFT
from experiments.sweeps.spec import Value

WHOLE = "sweep"
"""The axis of a sweep that varies nothing."""


def metric_words(metric: str) -> str:
    """A metric's name for people: `new_recall_at_20` is 'Recall@20 of new items'."""
    if metric == LIFT:
        return "Share of lift kept"
    segment, _, rest = metric.partition("_") if metric.startswith(("new_", "repeat_")) else ("", "", metric)
    name, _, k = rest.partition("_at_")
    title = {"ndcg": "NDCG"}.get(name, name.capitalize())
    return f"{title}@{k}" + (f" of {segment} items" if segment else "")


def axis_words(axis: str) -> str:
    """An axis's name for people."""
    return {
        "epsilon": "epsilon",
        "silos": "number of silos",
        "customers": "number of customers",
        WHOLE: "the one cell",
    }.get(axis, axis)


def value_words(value: Value) -> str:
    """A value of the grid for people: 2.0 is 2, and 40000 is 40,000."""
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
