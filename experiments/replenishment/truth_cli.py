"""`thousandfaces bench replenishment-truth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.simulated import Found, simulated_command

DOC = """Compare forecast dates with those of the law that made a simulated world.

Example: thousandfaces bench replenishment-truth --persons 6000 --silos 4 --epsilon 1
"""


def _run(sizes: Mapping[str, Any], seeds: Sequence[int], **told: Any) -> Found:
    from experiments.replenishment.truth import run_truth
    from experiments.replenishment.truth_report import TruthOptions

    return run_truth(TruthOptions(**sizes), seeds, **told)


replenishment_truth = simulated_command("replenishment-truth", DOC, persons=6_000, run=_run)
