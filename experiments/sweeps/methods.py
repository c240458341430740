"""Names of what a sweep compares, and of the figures it compares by."""

from __future__ import annotations

from experiments.comparison import HEADLINE

PRIVATE = "private"
METHODS = (PRIVATE, "non_private", "popularity", "personal_top", "shuffled")
CHARGED = ("new_ndcg_at_10", "new_hit_at_10")
"""Figures that only a run on real silos has, beside new_recall_at_20: noised and charged."""

_FIRST = ("recall_at_10", "ndcg_at_10", "new_recall_at_20")
METRICS = tuple(dict.fromkeys((*_FIRST, *(name for name, _, _ in HEADLINE), *CHARGED)))
