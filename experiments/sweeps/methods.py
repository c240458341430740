"""Names of what a sweep compares and of the figures it compares by, and the share of lift that is kept."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.comparison import HEADLINE as STUDY
from experiments.quality.figures import HEADLINE as QUALITY
from experiments.quality.run import METHODS as QUALITY_METHODS

PRIVATE, TWIN, POPULARITY, SHUFFLED = "private", "non_private_twin", "popularity", "shuffled"
METHODS = tuple(dict.fromkeys((PRIVATE, TWIN, POPULARITY, "personal_top", *QUALITY_METHODS, SHUFFLED)))

BY_SOURCE = {
    "simulated": (PRIVATE, TWIN, POPULARITY, "personal_top", SHUFFLED),
    "file": (PRIVATE, TWIN, POPULARITY, "personal_top", SHUFFLED),
    "folder": QUALITY_METHODS,
    "silos": (PRIVATE, POPULARITY),
}
"""What can be measured on each kind of data."""

LIFT = "lift_kept"
STUDY_LIFT = "recall_at_10"
"""The metric of a study's share of lift kept: that of baskets, as in `thousandfaces bench quality`."""

_FIRST = ("recall_at_10", "ndcg_at_10", "new_recall_at_20")
_ALL = (*_FIRST, *(name for name, _, _ in (*STUDY, *QUALITY)), "new_hit_at_10", LIFT)
METRICS = tuple(dict.fromkeys(_ALL))

Values = Mapping[str, Mapping[str, float]]


def lift_kept(figures: Values, metric: str) -> float | None:
    """(private - popularity) / (best non-private - popularity), or None if nothing beats popularity."""
    values = {name: found[metric] for name, found in figures.items() if metric in found}
    best = max((value for name, value in values.items() if name not in (PRIVATE, SHUFFLED)), default=0.0)
    if not {PRIVATE, POPULARITY} <= set(values) or best <= values[POPULARITY]:
        return None
    return (values[PRIVATE] - values[POPULARITY]) / (best - values[POPULARITY])
