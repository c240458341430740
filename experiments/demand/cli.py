"""`thousandfaces bench demand`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.simulated import Found, simulated_command

DOC = """Compare forecasts of sales by item and store area with what a simulated world sells afterwards.

Example: thousandfaces bench demand --persons 100000 --silos 4 --epsilon 1 --seeds 0,1,2
"""


def _run(sizes: Mapping[str, Any], seeds: Sequence[int], **told: Any) -> Found:
    from experiments.demand.report import DemandOptions
    from experiments.demand.run import run_demand_bench

    return run_demand_bench(DemandOptions(**sizes), seeds, **told)


demand = simulated_command("demand", DOC, persons=100_000, least=200, run=_run)
