"""One charged release by the product's own path, telling what is drawn and what leaves."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.mechanisms import SecureNoise, release_sum
from recsys.privacy.releases import ReleasePlan
from tests.contracts.ledger.children import Tell
from tests.recsys.privacy.builders import make_charge
from training.spend import reserve


def spend(ledger: Ledger, noise: float, tell: Tell) -> None:
    """Reserve, draw ('drawn ROW NOISE' is told before noise exists), hand over ('left ...'), commit."""
    plan = ReleasePlan("popularity", 1.0, noise)
    reservation = reserve(ledger, make_charge(plan.event, clip_norm=plan.clip_norm))

    def draw(source: SecureNoise) -> NDArray[np.float32]:
        tell(f"drawn {reservation.row} {noise!r}")
        return release_sum([np.eye(3)], plan, source)

    released = reservation.release(plan.name, draw)
    tell(f"left {released.reservation} {noise!r} {released.values.tobytes().hex()}")
    reservation.commit()
    tell(f"committed {reservation.row} {noise!r}")


def uncovered(ledger: Ledger, told: Iterable[list[str]]) -> list[list[str]]:
    """What was drawn, left or committed beyond what the ledger was charged: the numbers that must be none.

    Every row of the ledger covers one draw and one release of its own event, and no other.
    """
    charged = {(row.id, row.event) for row in ledger.rows() if row.kind == "reserve"}
    seen: set[tuple[str, int]] = set()
    beyond = []
    for words in told:
        row, event = int(words[1]), PrivacyEvent(float(words[2]))
        if (row, event) not in charged or (words[0], row) in seen:
            beyond.append(words)
        seen.add((words[0], row))
    return beyond


def keeper(told: list[list[str]]) -> Tell:
    """What this process itself tells, kept in a list as a child's words are."""
    return lambda line: told.append(line.split())
