"""One silo of the bench, asked as a coordinator asks it, with its tables kept in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.privacy.ledger import Row
from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import SiloConfig
from training.audit.checks.bench import CAP, Bench, Values
from training.audit.checks.edits import Edit, EditedSilo, KeptSilo, unchanged
from training.config import TOWERS
from training.makers import MAKERS
from training.node import Block, Node
from training.spend import spending


class Subject:
    """One silo of the bench with a ledger of its own: the real `Node`, asked as a coordinator asks."""

    def __init__(self, world: Bench, *, silo: int = 0, edit: Edit = unchanged) -> None:
        """edit: makes a neighbouring data set of the silo's."""
        own = {"ledger": world.scratch() / "ledger.sqlite", "epsilon_cap": CAP}
        config = world.federation.silo_configs()[silo].model_copy(update=own)
        self.world, self.node = world, Node(config, world.federation)
        self.node.silo = EditedSilo(kept_tables(world.federation.silos[silo]), edit)

    def new_books(self) -> None:
        """An empty ledger: a charge composes all of the ledger's charges and reads all of its rows."""
        ledger = self.world.scratch() / "ledger.sqlite"
        self.node.config = self.node.config.model_copy(update={"ledger": ledger})

    def release(self, stage: str, plan: PrivacyPlan, *, number: int = 0, attempt: int = 1) -> Values:
        """One release with a charge of its own."""
        request = self.world.request(stage, plan, number=number, end=number + 1, attempt=attempt)
        return self.node.release(request).released.values

    def repeated(self, stage: str, plan: PrivacyPlan, times: int) -> NDArray[np.float64]:
        """The same release `times` over, each charged anew; [times, n]."""
        return np.stack([self.release(stage, plan, attempt=k + 1) for k in range(times)]).astype(np.float64)

    def drawn(self, stage: str, plan: PrivacyPlan, times: int) -> NDArray[np.float64]:
        """The same release `times` over under one charge, by the stage's maker; [times, n].

        plan: with as many rounds of the stage, or more.
        """
        request, node = self.world.request(stage, plan), self.node
        data, snapshot = node._data(request, self.world.settings)
        charge = node._charge(request, plan, stage, snapshot, steps=times)
        made = list[Values]()
        with spending(node.ledger(), charge) as reservation:
            for _ in range(times):
                released = MAKERS[stage](data, plan, self.world.settings, request, reservation)
                made.append(released.values)
        return np.stack(made).astype(np.float64)

    def steps(self, plan: PrivacyPlan, count: int, *, attempt: int = 1) -> Iterator[Values]:
        """`count` steps of the towers under one charge, message by message."""
        block: Block | None = None
        for number in range(count):
            request = self.world.request(TOWERS, plan, number=number, end=count, attempt=attempt)
            answer = self.node.release(request, block)
            block = answer.block
            yield answer.released.values

    def charges(self) -> Sequence[Row]:
        """The reservations in the silo's ledger."""
        return [row for row in self.node.ledger().rows() if row.kind == "reserve"]


@lru_cache(maxsize=8)
def kept_tables(path: Path) -> KeptSilo:
    """A silo's tables, read once in a process: reading is most of the work and no part of the kernel."""
    return KeptSilo.of(SiloConfig.load(path).base_silo())
