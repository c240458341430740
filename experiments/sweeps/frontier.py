"""A sweep's figures put in order: for each axis and metric, each method's values over that axis."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from experiments.sweeps.folder import SweepFolder, TrialRecord
from experiments.sweeps.spec import SweepSpec, Value
from experiments.sweeps.words import WHOLE, axis_words, metric_words, value_words
from recsys.words import counted


@dataclass(frozen=True)
class Point:
    """A method at one place of an axis: its value in every trial there, in order of the trials' numbers."""

    x: Value
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Over the trials."""
        return median(self.values)


@dataclass(frozen=True)
class Series:
    """A method along an axis; `group` says where the other axes stand, and is empty if there are none."""

    method: str
    group: str
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """For legends and tables."""
        return f"{self.method}, {self.group}" if self.group else self.method

    @property
    def description(self) -> str:
        """Its medians in words."""
        medians = (f"{point.median:.4f} at {value_words(point.x)}" for point in self.points)
        return f"{self.name}: {', '.join(medians)}"


@dataclass(frozen=True)
class Chart:
    """A metric against an axis. spent: by group and place, the most that a person was exposed to."""

    axis: str
    metric: str
    xs: tuple[Value, ...]
    series: tuple[Series, ...]
    spent: Mapping[tuple[str, Value], float]

    @property
    def title(self) -> str:
        """The metric against the axis, in words."""
        return f"{metric_words(self.metric)} against {axis_words(self.axis)}"

    @property
    def description(self) -> str:
        """Every median in words: what the plot shows to those who cannot see it."""
        return f"{self.title}. Medians of {'; '.join(series.description for series in self.series)}."

    def rows(self) -> list[tuple[str, Value, float, list[Point | None]]]:
        """The table: group, place, epsilon spent, and each method's point (None: nothing was measured)."""
        found = {(s.group, s.method, p.x): p for s in self.series for p in s.points}
        return [
            (group, x, spent, [found.get((group, method, x)) for method in self.methods])
            for (group, x), spent in self.spent.items()
        ]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods, each once."""
        return tuple(dict.fromkeys(series.method for series in self.series))


@dataclass(frozen=True)
class Frontier:
    """A sweep as far as it has come: its charts, and what has to be known to read them."""

    spec: SweepSpec
    stamp: str
    records: tuple[TrialRecord, ...]
    planned: int

    @property
    def finished(self) -> tuple[TrialRecord, ...]:
        """Trials with figures."""
        return tuple(record for record in self.records if record.finished)

    @property
    def failed(self) -> tuple[TrialRecord, ...]:
        """Trials that ended with an error."""
        return tuple(record for record in self.records if not record.finished)

    @property
    def origins(self) -> tuple[str, ...]:
        """Command, commit and date of the trials, each combination once."""
        made = [record.made for record in self.records]
        return tuple(dict.fromkeys(f"`{m['command']}` at commit {m['commit']} on {m['date']}" for m in made))

    def facts(self) -> list[str]:
        """What has to be known to read the charts."""
        finished, failed = len(self.finished), len(self.failed)
        lines = [
            f"{self.stamp}; of {counted(self.planned, 'trial')} {finished} finished, {failed} failed",
            *(f"trials made by {origin}" for origin in self.origins),
        ]
        if self.finished:
            delta, most = (self._found(name) for name in ("delta", "max_silos_per_person"))
            silos = "silo" if most == "1" else "silos"
            lines.append(
                f"person-level epsilon at delta {delta}, add or remove one customer, all mechanisms "
                f"composed, one person's records in at most {most} {silos}; a server that sees every message "
                "is assumed; each trial is a run of its own"
            )
        return [
            *lines,
            "median over trials, all trials in brackets, trial n with the same seed in every cell",
        ]

    def _found(self, name: str) -> str:
        return ", ".join(f"{value:g}" for value in sorted({r.privacy[name] for r in self.finished}))

    def charts(self) -> tuple[Chart, ...]:
        """Each metric that was measured against each axis with more than one value."""
        charts = (self._chart(axis, metric) for axis in self._axes or [WHOLE] for metric in self.spec.metrics)
        return tuple(chart for chart in charts if chart.series)

    @property
    def _axes(self) -> list[str]:
        return [axis for axis, values in self.spec.grid.items() if len(values) > 1]

    def _chart(self, axis: str, metric: str) -> Chart:
        groups: dict[tuple[str, Value], list[TrialRecord]] = {}
        others = set(self._axes) - {axis}
        for record in self.finished:
            groups.setdefault((_group(record, others), record.cell.get(axis, WHOLE)), []).append(record)
        places = self.spec.grid.get(axis, [WHOLE])
        ordered = sorted(groups, key=lambda place: (place[0], places.index(place[1])))
        series = (
            Series(method, group, tuple(_points(groups, group, places, method, metric)))
            for method in self.spec.compared
            for group in dict.fromkeys(group for group, _ in ordered)
        )
        spent = {place: max(r.privacy["person_epsilon"] for r in groups[place]) for place in ordered}
        return Chart(axis, metric, tuple(places), tuple(s for s in series if s.points), spent)


def read_frontier(path: Path) -> Frontier:
    """The sweep in a folder. Raises ConfigError if there is none, or if a record is not readable."""
    folder = SweepFolder(path)
    content: dict[str, Any] = folder.read_sweep()
    found = [folder.read(str(trial["key"])) for trial in content["trials"]]
    records = tuple(record for record in found if record is not None)
    return Frontier(
        SweepSpec.model_validate(content["spec"]), str(content["stamp"]), records, len(content["trials"])
    )


def _group(record: TrialRecord, axes: Collection[str]) -> str:
    return ", ".join(f"{axis} {value_words(value)}" for axis, value in record.cell.items() if axis in axes)


def _points(
    groups: Mapping[tuple[str, Value], Sequence[TrialRecord]],
    group: str,
    places: Sequence[Value],
    method: str,
    metric: str,
) -> list[Point]:
    points = []
    for place in places:
        records = sorted(groups.get((group, place), ()), key=lambda record: record.number)
        values = tuple(r.figures[method][metric] for r in records if metric in r.figures.get(method, {}))
        if values:
            points.append(Point(place, values))
    return points
