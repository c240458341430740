"""What a person reads at the end of a demo or an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from experiments.comparison import Entry
from experiments.results_table import shown
from recsys.words import counted

if TYPE_CHECKING:
    from experiments.demo import DemoResult
    from experiments.seeded import SeededStudy

SHOWN = ("new_recall_at_20", "recall_at_10", "ndcg_at_10", "hit_at_10")


def demo_report(result: DemoResult) -> str:
    """Privacy, pages and quality in plain text."""
    report = result.training.report
    quality = result.quality
    lift = _new(quality["private"]) / _new(quality["popularity"])
    return "\n".join(
        [
            f"\nDone in {result.seconds:.0f} s (set-up apart).",
            "",
            "PRIVACY  what one person is exposed to, at most",
            f"  person-level epsilon {report['person_epsilon']:.2f} at delta {report['delta']:g}, "
            f"a person's records in at most {counted(report['max_silos_per_person'], 'silo')}",
            *(f"  {name:<14} epsilon {spent['epsilon']:.2f}" for name, spent in report["silos"].items()),
            f"  ledgers verified: {'yes' if result.ledgers_verified else 'NO'}",
            "",
            "PAGES  asked over HTTP; one event, and the very next answer",
            *(line for visit in result.visits for line in _visit_lines(visit.__dict__)),
            f"  {counted(result.due, 'item')} due again for these customers",
            "",
            "QUALITY  first basket after the cut-off (simulated data, known truth)",
            *_quality_lines(quality),
            f"  new items: {shown(lift, '.2f')} x popularity",
        ]
    )


def evaluation_report(found: SeededStudy) -> str:
    """The table with what has to be known to read it."""
    return "\n".join([*(f"- {fact}" for fact in found.facts()), "", *found.table()])


def _new(entry: Entry) -> float:
    return entry.values["new_recall_at_20"]


def _visit_lines(visit: Mapping[str, object]) -> list[str]:
    before, after, reasons = (visit[name] for name in ("before", "after", "reasons"))
    if not (isinstance(before, tuple) and isinstance(after, tuple) and isinstance(reasons, tuple)):
        raise TypeError("a visit holds tuples of titles and reasons")
    return [
        f"  {visit['silo']}, customer {visit['customer']}",
        f"    sees   {before[0]} ({reasons[0]}), {', '.join(before[1:3])}, ...",
        f"    {visit['event']}",
        f"    sees   {', '.join(after[:3])}, ...",
    ]


def _quality_lines(quality: Mapping[str, Entry]) -> list[str]:
    head = f"  {'':<18}" + "".join(f"{name:>18}" for name in SHOWN)
    rows = [
        f"  {name:<18}" + "".join(f"{shown(entry.values[figure]):>18}" for figure in SHOWN)
        for name, entry in quality.items()
    ]
    return [head, *rows]
