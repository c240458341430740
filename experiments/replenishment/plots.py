"""Reliability: how often pairs were bought, by the chance that was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.replenishment.figures import MethodFigures
from experiments.sweeps.plots import COLOURS, MARKERS
from recsys.models.replenishment import HORIZONS


def reliability_plot(path: Path, title: str, methods: Mapping[str, MethodFigures]) -> None:
    """One panel a horizon, one line a method, a dot a bin with its size by the number of pairs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 10), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, horizon in zip(panels, HORIZONS, strict=True):
        axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="dashed")
        for number, (name, found) in enumerate(methods.items()):
            bins = found.reliability[horizon]
            full = bins.rows > 0
            xs, ys = bins.expected[full] / bins.rows[full], bins.happened[full] / bins.rows[full]
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axes.plot(xs, ys, color=colour, linewidth=2.2 if found.private else 1.0, label=name)
            sizes = 8 + 80 * np.sqrt(bins.rows[full] / bins.rows.sum())
            axes.scatter(xs, ys, s=sizes, color=colour, marker=marker, alpha=0.7, linewidths=0)
        axes.set(title=f"within {horizon} days", xlabel="chance given", ylabel="share bought")
        axes.grid(alpha=0.25)
    panels[0].legend(fontsize="small", frameon=False)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
