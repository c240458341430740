"""What a server tells other customers is byte for byte the same with one customer more or less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from recsys.bundle.contents import assemble
from recsys.bundle.store import write_bundle
from recsys.models.followup_rules import FollowUp
from recsys.models.rhythm_start import START
from serving.audit import neighbours_at_the_server
from tests.contracts.neighbours.worlds import draw_pair
from tests.contracts.neighbours.written import CATALOGUE, write_world
from tests.recsys.bundle_builder import NOW, World, make_parts

AT = datetime(2025, 2, 10, 9, tzinfo=UTC)
"""Days after the last event of a world."""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Over the worlds' catalogue, with learned rhythms and follow-ups."""
    world = World(n_items=len(CATALOGUE), neighbours=2)
    categories = len(CATALOGUE.category_codes[1])
    intervals = {
        "mean": np.log(np.linspace(7.0, 28.0, categories)),
        "variance": np.full(categories, 0.1),
        "hazard": START,
        "appeals": np.linspace(-1.0, 1.0, len(CATALOGUE)),
    }
    follow_ups = (FollowUp("nappies", "bread", 30, 365, 0.3, 0.05),)
    parts = replace(make_parts(world), catalogue=CATALOGUE, intervals=intervals, follow_ups=follow_ups)
    return write_bundle(
        tmp_path_factory.mktemp("bundles") / "bundle",
        assemble(
            parts,
            sequence=world.sequence,
            blend=world.blend,
            blocks={"towers": (0, 8), "copurchase": (8, 14)},
            created_at=datetime.fromtimestamp(NOW, UTC),
        ),
    )


@pytest.mark.evidence
def test_every_other_customer_is_answered_alike(
    bundle: Path, tmp_path: Path, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    pairs, most, kinds, differing = counted(20, 600), counted(2, 3), set[str](), list[str]()
    for number in range(pairs):
        world, neighbour, gone = draw_pair(number, sound=number % 4 == 0)
        silo, other = (
            write_world(one, tmp_path / f"{number}-{name}")
            for one, name in ((world, "with"), (neighbour, "without"))
        )
        found = neighbours_at_the_server(
            bundle, silo, other, gone, now=AT, most=most, restart=number % 3 == 0
        )
        for held, what in found:
            kinds.add(what.partition(":")[0])
            if not held:
                differing.append(f"pair {number}: {what}")
    evidence(
        "neighbours at the server: answers, stored events and logs of all other customers",
        bar="0 differences but the customer's own",
        measured=f"{len(differing)} in {pairs} pairs of silos, {len(kinds)} kinds of questions",
    )
    assert differing == []
    assert len(kinds) >= 12
