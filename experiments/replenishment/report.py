"""A replenishment benchmark's facts, tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from experiments.comparison import Entry
from experiments.quality.silos import Dealt
from experiments.quality.tables import Purchases
from experiments.replenishment.due_list import LENGTH, WITHIN
from experiments.replenishment.figures import MethodFigures
from experiments.replenishment.methods import BOOSTED, PRIVATE, RICH, TWIN
from experiments.replenishment.options import ReplenishmentOptions
from experiments.replenishment.outcomes import ends_of
from experiments.replenishment.protocol import Cut
from experiments.results_table import comparison_table, write_results
from recsys.models.replenishment import HORIZONS
from recsys.words import counted
from training.research import STAMP

LIST = f"due_recall_at_{LENGTH}"
COLUMNS = (
    *(f"{name}_{horizon}" for horizon in (14, 30) for name in ("log_loss", "auc", "ece", "brier")),
    *("mae_days", "mae_restricted_days", "coverage_80", LIST, "due_ratio"),
)
MEASURES = ("log_loss", "auc", "ece", "ece_by_chance", "ece_mass", "brier")
EVERY = tuple(f"{name}_{h}" for name in MEASURES for h in HORIZONS)
JUDGED_AT = (14, 30)
AGAINST = (
    "private over others (log loss: below 1 is better; AUC: above), in brackets the 95 % interval of drawing "
    "customers again"
)


@dataclass(frozen=True)
class Ratio:
    """A figure over another one, and the 95 % interval when customers are drawn again."""

    value: float
    ends: tuple[float, float]

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.ends[0]:.4f} to {self.ends[1]:.4f})"


@dataclass(frozen=True)
class Replenishment:
    """Figures by seed and method, and what has to be known of them.

    rates: share of judged pairs bought within each horizon; epsilon_spent: by the ledgers, the largest
    """

    options: ReplenishmentOptions
    dataset: str
    customers: int
    pairs: int
    judged_customers: int
    listed_customers: int
    items: int
    silos: int
    notes: tuple[str, ...]
    rates: Mapping[int, float]
    command: str
    by_seed: Mapping[int, Mapping[str, MethodFigures]]
    epsilon_spent: float | None
    seconds: float
    peak_rss_mb: float

    @classmethod
    def of(
        cls,
        options: ReplenishmentOptions,
        data: Purchases,
        cut: Cut,
        dealt: Dealt,
        *,
        command: str,
        by_seed: Mapping[int, Mapping[str, MethodFigures]],
        reports: Mapping[int, Mapping[str, Any]],
        seconds: float,
        peak_rss_mb: float,
    ) -> Replenishment:
        """Gather the facts."""
        judged = cut.judged
        spent = [float(report["person_epsilon_lifetime"]) for report in reports.values()]
        return cls(
            options=options,
            dataset=data.name,
            customers=len(cut.trial.learners),
            pairs=int(judged.sum()),
            judged_customers=len(np.unique(cut.pairs.customers[judged])),
            listed_customers=len(cut.trial.customers),
            items=len(data.catalogue),
            silos=len(dealt.names),
            notes=(*cut.trial.notes, dealt.rule, *data.notes),
            rates={h: float((cut.next[judged] < h).mean()) for h in HORIZONS},
            command=command,
            by_seed=by_seed,
            epsilon_spent=max(spent) if spent else None,
            seconds=seconds,
            peak_rss_mb=peak_rss_mb,
        )

    def middle(self, method: str, figure: str) -> float | None:
        """The median of a figure over seeds; None where the method did not run or nothing is known."""
        values = [found[method].values[figure] for found in self.by_seed.values() if method in found]
        return None if not values or np.isnan(values).any() else median(values)

    @property
    def against(self) -> dict[str, Ratio]:
        """The private model's figures over those of the trees, and over the best other baseline's."""
        methods = next(iter(self.by_seed.values()))
        others = [name for name in methods if name not in (PRIVATE, TWIN, BOOSTED, RICH)]
        found: dict[str, Ratio] = {}
        for h in JUDGED_AT:
            for figure, best in ((f"log_loss_{h}", min), (f"auc_{h}", max)):
                known = {name: value for name in others if (value := self.middle(name, figure)) is not None}
                rivals = {name: name for name in (BOOSTED, RICH)}
                if known:
                    rivals["best_other"] = best(known, key=known.__getitem__)
                for label, name in rivals.items():
                    if (ratio := self._over(name, figure)) is not None:
                        found[f"{figure}_over_{label}"] = ratio
        return found

    def _over(self, name: str, figure: str) -> Ratio | None:
        """A private figure over another method's: medians over seeds, and resamples of the median seed."""
        ours, theirs = self.middle(PRIVATE, figure), self.middle(name, figure)
        if not ours or not theirs:
            return None
        middle = min(self.by_seed.values(), key=lambda found: abs(found[PRIVATE].values[figure] - ours))
        return Ratio(ours / theirs, ends_of(middle[PRIVATE].redrawn[figure] / middle[name].redrawn[figure]))

    def to_dict(self) -> dict[str, Any]:
        """One JSON object: medians over seeds, and of several seeds each one's figures under `seeds`."""
        seeds = {seed: {n: f.to_dict() for n, f in found.items()} for seed, found in self.by_seed.items()}
        first = next(iter(seeds.values()))
        methods = {
            name: figures
            | {key: self.middle(name, key) for key in self.by_seed[next(iter(seeds))][name].values}
            for name, figures in first.items()
        }
        return {
            "dataset": self.dataset,
            "epsilon": self.options.epsilon,
            "epsilon_spent": self.epsilon_spent,
            "delta": self.options.delta,
            "silos": self.silos,
            "customers": self.customers,
            "items": self.items,
            "pairs": self.pairs,
            "judged_customers": self.judged_customers,
            "listed_customers": self.listed_customers,
            "bought_within": {str(h): rate for h, rate in self.rates.items()},
            "against": {name: ratio.value for name, ratio in self.against.items()},
            "against_intervals": {name: list(ratio.ends) for name, ratio in self.against.items()},
            "notes": list(self.notes),
            "seconds": round(self.seconds, 1),
            "peak_rss_mb": round(self.peak_rss_mb),
            "stamp": f"research data, {STAMP}",
            "command": self.command,
            "methods": methods,
            "seeds": {str(seed): found for seed, found in seeds.items()} if len(seeds) > 1 else None,
        }

    def facts(self) -> list[str]:
        """What has to be known to read the tables."""
        spent = "" if self.epsilon_spent is None else f" (spent {self.epsilon_spent:.3f})"
        ratios = ", ".join(f"{name} {ratio}" for name, ratio in self.against.items())
        return [
            f"{self.dataset}; research data, {STAMP}",
            f"{self.customers:,} training customers, {self.items:,} items, {counted(self.silos, 'silo')}; "
            f"judged: {self.pairs:,} pairs bought on two days or more, of {self.judged_customers:,} "
            "customers",
            f"person-level epsilon {self.options.epsilon:g} at delta {self.options.delta:g}, add or remove "
            f"one customer, all mechanisms composed{spent}; a server that sees every message is assumed",
            *self.notes,
            "bought within "
            + ", ".join(f"{h} days {rate:.4f}" for h, rate in self.rates.items())
            + ": the share of judged pairs",
            *([f"{AGAINST}: {ratios}"] if ratios else []),
            f"{BOOSTED}: trees on the same features as the private model, with exact statistics of items; "
            f"{RICH}: on those and many more, such as an item's exact sales of the last weeks",
            "ece: 10 bins of equal width; ece_by_chance: what a method's ece would be on average, were its "
            "chances right and purchases independent; with customers who differ it would be more",
            "gap baselines make chances of a gap by an exponential; mae_days: pairs bought again within the "
            "data; mae_restricted_days: all pairs; dates count up to its end; coverage_80: pairs whose "
            "interval ends within the data",
            f"{LIST}: {LENGTH} own items, by the list's score for our models and by chance within {WITHIN} "
            f"days for others; first basket after the cut-off of {self.listed_customers:,} customers; "
            "due_ratio: over the most frequent own items, ties by exact popularity" + self._frequent(),
            "baselines choose parameters on a day before the cut-off; median over seeds, all in brackets",
            f"{self.seconds:.0f} s, peak memory {self.peak_rss_mb:.0f} MB",
        ]

    def _frequent(self) -> str:
        name = next(iter(next(iter(self.by_seed.values()))))
        kinds = ("frequent", "own_frequent")
        value, own = (self.middle(name, f"{kind}_recall_at_{LENGTH}") for kind in kinds)
        if value is None or own is None:
            return ""
        return f", whose recall is {value:.4f} ({own:.4f} with ties by a draw, which reads nobody else)"

    def table(self) -> list[str]:
        """The headline figures, then every horizon, as Markdown lines."""
        entries = {
            seed: {n: Entry(f.private, f.values, f.intervals) for n, f in found.items()}
            for seed, found in self.by_seed.items()
        }
        return [*comparison_table(entries, COLUMNS), "", *comparison_table(entries, EVERY)]

    def report(self) -> list[str]:
        """What a person reads at the end."""
        return [*(f"- {fact}" for fact in self.facts()), "", *self.table()]

    def write(self, path: Path) -> None:
        """Write the results file."""
        write_results(path, f"Replenishment: {self.dataset}", self.command, self.facts(), self.table())
