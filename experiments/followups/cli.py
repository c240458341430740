"""`thousandfaces bench followups`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.simulated import Found, simulated_command

DOC = """Compare learned follow-up needs with those planted into a simulated world, and with none.

Example: thousandfaces bench followups --persons 120000 --silos 4 --epsilon 1 --seeds 0,1,2
"""


def _run(sizes: Mapping[str, Any], seeds: Sequence[int], **told: Any) -> Found:
    from experiments.followups.report import FollowupOptions
    from experiments.followups.run import run_followups

    return run_followups(FollowupOptions(**sizes), seeds, **told)


followups = simulated_command("followups", DOC, persons=120_000, least=400, run=_run)
