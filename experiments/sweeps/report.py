"""A sweep for readers: one HTML file that needs nothing else, and Markdown tables for the repository."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from experiments.results_table import commit, shown, write_results
from experiments.sweeps.frontier import Chart, Frontier, Point
from experiments.sweeps.plots import chart_svg
from experiments.sweeps.words import axis_words, value_words
from recsys.errors import ConfigError
from recsys.words import NO_VALUE

REPORT = "report.html"
TEMPLATE = Path(__file__).with_name("report.html")


def write_html(frontiers: Sequence[Frontier], path: Path, *, command: str) -> None:
    """Write the sweeps as one page with its plots inside. Raises ConfigError if that cannot be written."""
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.globals.update(cell=cell, axis_words=axis_words, value_words=value_words)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    sections = [(frontier, _drawn(frontier, number)) for number, frontier in enumerate(frontiers, start=1)]
    made = f"{command} at commit {commit()} on {datetime.now(UTC):%Y-%m-%d}"
    page = template.render(title=title(frontiers), sections=sections, made=made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a file that can be written") from None


def write_markdown(frontiers: Sequence[Frontier], path: Path, *, command: str) -> None:
    """Write the sweeps' tables as a results file: title, command, commit, date, facts, tables."""
    facts = [fact for frontier in frontiers for fact in _facts(frontier, len(frontiers) > 1)]
    lines = [
        line for frontier in frontiers for chart in frontier.charts() for line in _table(frontier, chart)
    ]
    write_results(path, title(frontiers), command, facts, lines)


def title(frontiers: Sequence[Frontier]) -> str:
    """What the report is about."""
    return f"Privacy-utility frontier: {', '.join(frontier.spec.name for frontier in frontiers)}"


def cell(point: Point | None) -> str:
    """The median, and all trials in brackets where there are several."""
    if point is None:
        return NO_VALUE
    everyone = ", ".join(map(shown, point.values))
    return shown(point.median) + (f" ({everyone})" if len(point.values) > 1 else "")


def _drawn(frontier: Frontier, number: int) -> list[tuple[Chart, Markup]]:
    # The SVG is made here of numbers, names that the specification checks, and escaped words.
    return [
        (chart, Markup(chart_svg(chart, f"plot-{number}-{turn}")))  # noqa: S704
        for turn, chart in enumerate(frontier.charts(), start=1)
    ]


def _facts(frontier: Frontier, several: bool) -> list[str]:
    prefix = f"{frontier.spec.name}: " if several else ""
    return [f"{prefix}{fact}" for fact in frontier.facts()]


def _table(frontier: Frontier, chart: Chart) -> list[str]:
    groups = any(group for group, _, _, _ in chart.rows())
    head = [*(["cell"] if groups else []), axis_words(chart.axis), "epsilon spent", *chart.methods]
    lines = [
        f"## {frontier.spec.name}: {chart.title}",
        "",
        f"| {' | '.join(head)} |",
        f"|{'---|' * (1 + groups)}{'--:|' * (1 + len(chart.methods))}",
    ]
    for group, x, spent, points in chart.rows():
        cells = [*([group] if groups else []), value_words(x), f"{spent:.3f}", *map(cell, points)]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]
