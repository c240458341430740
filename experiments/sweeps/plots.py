"""A chart as SVG that stands inside a page: dots for trials, lines through medians, and words for both."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from experiments.sweeps.frontier import Chart, Series
from experiments.sweeps.methods import METHODS, PRIVATE
from experiments.sweeps.spec import Value
from experiments.sweeps.words import axis_words, metric_words, value_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that colour-blind readers can tell apart (Okabe and Ito 2008, then Tol 2021); groups differ by line
# and marker.
_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
COLOURS = (*_OKABE_ITO, "#882255", "#999933", "#44AA99", "#AA4499", "#777777")
MARKERS, LINES = "osD^v", ("solid", "dashed", "dotted", "dashdot")
LOGARITHMIC = 5.0


def chart_svg(chart: Chart, name: str) -> str:
    """The chart as one `<svg>` element; `name` keeps its ids apart from those of other charts in a page."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    places = _places(chart.xs)
    groups = list(dict.fromkeys(series.group for series in chart.series))
    for series in chart.series:
        _draw(axes, series, places, groups.index(series.group))
    _scale(axes, chart, places)
    axes.grid(alpha=0.25)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    file = io.StringIO()
    # Text stays text: readable by machines, and no glyphs whose ids could clash.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return _inline(file.getvalue(), chart, name)


def _draw(axes: Axes, series: Series, places: dict[Value, float], group: int) -> None:
    ours = series.method == PRIVATE
    colour = COLOURS[METHODS.index(series.method) % len(COLOURS)]
    marker, line = MARKERS[group % len(MARKERS)], LINES[(group + (not ours)) % len(LINES)]
    xs = [places[point.x] for point in series.points]
    across = [places[point.x] for point in series.points for _ in point.values]
    values = [value for point in series.points for value in point.values]
    axes.scatter(across, values, s=14, color=colour, alpha=0.5, marker=marker, linewidths=0)
    medians = [point.median for point in series.points]
    axes.plot(
        xs,
        medians,
        color=colour,
        linestyle=line,
        linewidth=2.2 if ours else 1.2,
        marker="_" if len(xs) == 1 else None,
        label=series.name,
    )


def _places(xs: Sequence[Value]) -> dict[Value, float]:
    """Where each value stands on the axis: at itself if all are numbers, else at its turn."""
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in xs)
    return {x: float(x) if numbers else float(turn) for turn, x in enumerate(xs)}


def _scale(axes: Axes, chart: Chart, places: dict[Value, float]) -> None:
    least, most = min(places.values()), max(places.values())
    if least > 0 and most / least >= LOGARITHMIC:
        axes.set_xscale("log")
    axes.set_xticks(list(places.values()), [value_words(x) for x in places])
    axes.minorticks_off()
    axes.set(xlabel=axis_words(chart.axis), ylabel=metric_words(chart.metric))


def _inline(svg: str, chart: Chart, name: str) -> str:
    """Without prologue and metadata (the only addresses in it), with ids of its own, a title and words."""
    body = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", body)
    head, rest = body.split(">", 1)
    labelled = f'{head} role="img" aria-labelledby="{name}-title {name}-words">'
    title = f'<title id="{name}-title">{escape(chart.title)}</title>'
    return f'{labelled}{title}<desc id="{name}-words">{escape(chart.description)}</desc>{rest}'
