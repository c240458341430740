"""All that silos answer to a coordinator: the app itself, message by message, on one world of files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
from flwr.app import Message
from numpy.typing import NDArray

from recsys.privacy.plan import PrivacyPlan
from recsys.silos.config import SiloConfig
from training import client_app
from training.audit.checks.bench import Bench, bench
from training.audit.checks.edits import KeptSilo
from training.audit.checks.subject import kept_tables
from training.client_app import app
from training.messages import NOISED_SUM, Request, encode_request
from training.node import node_for
from training.simulate import InProcessGrid, in_process

Question = tuple[str, int]
"""A stage and a round of it."""

Key = tuple[str, str, int]
"""A silo, and what it was asked."""


@dataclass(frozen=True)
class Answers:
    """A world's silos as a coordinator has them, in processes that have just started."""

    world: Bench
    plan: PrivacyPlan
    grid: InProcessGrid

    def messages(
        self,
        questions: Sequence[Question],
        *,
        end: int = 1,
        attempt: int = 1,
        run_id: str = "audit",
        silos: int | None = None,
    ) -> Iterator[tuple[Key, Message]]:
        """Each silo's reply to each question. silos: how many are asked, the first ones"""
        for stage, number in questions:
            asked = self.world.request(
                stage.partition(".")[2], self.plan, number=number, end=end, attempt=attempt, run_id=run_id
            )
            content = encode_request(Request({**asked.fields, "stage": stage}, asked.arrays))
            nodes = self.grid.get_node_ids()[:silos]
            sent = [Message(content, node, stage, group_id=str(number)) for node in nodes]
            for reply in self.grid.send_and_receive(sent):
                yield (str(reply.metadata.src_node_id), stage, number), reply

    def sums(self, questions: Sequence[Question], **asked: Any) -> dict[Key, NDArray[np.float64]]:
        """The noised sum of each reply that has one."""
        found = {}
        for key, reply in self.messages(questions, **asked):
            if reply.has_content() and NOISED_SUM in reply.content["arrays"]:
                values = reply.content["arrays"][NOISED_SUM]
                found[key] = np.asarray(values.numpy(), np.float64)  # type: ignore[union-attr]
        return found


@contextmanager
def asking(world: Bench, plan: PrivacyPlan, *, kept: bool = False) -> Iterator[Answers]:
    """Silos that read the world's files anew. kept: that have the bench's tables in memory instead"""
    node_for.cache_clear()
    federation = str(world.root / "federation.toml")
    silos = len(world.federation.silos)
    with ExitStack() as stack:
        # Silos are asked what they refuse, on purpose: their log is not the audit's.
        stack.enter_context(patch.object(client_app._log, "disabled", True))
        if kept:
            stack.enter_context(patch.object(SiloConfig, "base_silo", _kept(world)))
        grid = stack.enter_context(in_process(app, nodes=silos, run_config={"federation": federation}))
        stack.callback(node_for.cache_clear)
        yield Answers(world, plan, grid)


def _kept(world: Bench) -> Callable[..., KeptSilo]:
    """Finds a silo's tables by its name; copies of the bench have the bench's tables."""
    names = [silo.name for silo in world.federation.silo_configs()]
    tables = dict(zip(names, map(kept_tables, bench().federation.silos), strict=True))
    return lambda config, *_: tables[config.name]
