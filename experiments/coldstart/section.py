"""One measurement as a table: rows by label, figures by name; and what several of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from experiments.coldstart.world import SiloSide
from experiments.holdout import Holdout, pooled
from experiments.results_table import shown
from recsys.evaluate import Metrics, measure
from recsys.features.pairs import recent_items

K = 20
COLUMNS = (
    ("recall_at_10", "overall", "recall@10"),
    ("recall_at_20", "overall", "recall@20"),
    ("new_recall_at_10", "new", "recall@10"),
    ("new_recall_at_20", "new", "recall@20"),
)

Lists = tuple[NDArray[np.int32], NDArray[np.int32]]
"""int32 [n, K] each: all items, and without those that the customer is known to own."""


@dataclass(frozen=True)
class Section:
    """title: of the table; notes: what has to be known to read it; rows: label -> figure -> value"""

    title: str
    notes: tuple[str, ...]
    rows: Mapping[str, Mapping[str, float]]


def recalls(lists: Sequence[Lists], holdouts: Sequence[Holdout]) -> dict[str, float]:
    """Figures of lists, silo after silo, against the silos' held-out purchases; NaN without customers."""
    every, fresh = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    metrics: Metrics = measure(every, fresh, pooled(holdouts), (10, K), samples=1)
    return {name: getattr(metrics, segment).values[metric].mean for name, segment, metric in COLUMNS}


def counts_before(side: SiloSide, moment: int, *, trained_only: bool = False) -> NDArray[np.float64]:
    """How many customers of a silo bought each item before a moment, exactly; float64 [n_items]."""
    chosen = np.flatnonzero(~side.never) if trained_only else np.arange(len(side.histories))
    known = side.histories.select(chosen)
    known = known.where(known.times < moment)
    owned = recent_items(known, max(len(known.items), 1))
    counts = np.bincount(owned.items, minlength=len(side.assortment)).astype(np.float64)
    counts[~side.assortment] = 0.0
    return counts if counts.any() else side.assortment.astype(np.float64)


def markdown(sections: Sequence[Section]) -> list[str]:
    """The same section of every seed as Markdown: the median, and all seeds where there are several."""
    first = sections[0]
    names = list(dict.fromkeys(name for row in first.rows.values() for name in row))
    lines = [f"## {first.title}", "", *(f"- {note}" for note in first.notes), ""]
    lines += [f"| | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for label in first.rows:
        cells = [_cell([section.rows[label].get(name, np.nan) for section in sections]) for name in names]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def _cell(values: Sequence[float]) -> str:
    def figure(value: float) -> str:
        return shown(value, ".0f" if float(value).is_integer() and value > 1.0 else ".4f")

    known = [value for value in values if not np.isnan(value)]
    middle = figure(median(known) if known else np.nan)
    return middle if len(values) == 1 else f"{middle} ({', '.join(map(figure, values))})"
