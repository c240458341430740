"""`thousandfaces bench season`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.simulated import Found, simulated_command

DOC = """Compare learned seasons with those planted into a simulated world, with none, and in use.

Example: thousandfaces bench season --persons 20000 --silos 4 --epsilon 1 --seeds 0,1,2
"""


def _run(sizes: Mapping[str, Any], seeds: Sequence[int], **told: Any) -> Found:
    from experiments.season.report import SeasonOptions
    from experiments.season.run import run_season_bench

    return run_season_bench(SeasonOptions(**sizes), seeds, **told)


season = simulated_command("season", DOC, persons=20_000, least=200, run=_run)
