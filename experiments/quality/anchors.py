"""Known figures of baselines: a comparison whose baselines fall short of them is void."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.quality.private import PRESETS

LEAST_RATIO = 0.98


@dataclass(frozen=True)
class Anchor:
    """One figure: known, measured, and their ratio."""

    method: str
    metric: str
    known: float
    measured: float

    @property
    def ratio(self) -> float:
        """Measured over known."""
        return self.measured / self.known

    @property
    def reached(self) -> bool:
        """Whether the baseline does at least 98 % of what is known of it."""
        return self.ratio >= LEAST_RATIO

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        names = {name: getattr(self, name) for name in ("method", "metric", "known", "measured")}
        return names | {"ratio": round(self.ratio, 4), "reached": self.reached}


def anchors(
    dataset: str, protocol: str, items: int | None, measured: Mapping[str, Mapping[str, float]]
) -> tuple[Anchor, ...]:
    """The anchors of a comparison, for the methods that ran.

    items: the size of the restricted item list, None for all; measured: method -> metric -> figure
    """
    text = (PRESETS / "anchors.toml").read_text(encoding="utf-8")
    for entry in tomllib.loads(text)["anchor"]:
        if (entry["dataset"], entry["protocol"], entry.get("items")) == (dataset, protocol, items):
            return tuple(
                Anchor(method, metric, known, measured[method][metric])
                for method, figures in entry["methods"].items()
                if method in measured
                for metric, known in figures.items()
            )
    return ()
