"""Whole runs over silos with broken rows and online events: what leaves, and the books, are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.contracts.captured_runs import Captured, charges, run, sorted_out
from tests.contracts.neighbours.worlds import World, draw_world
from tests.contracts.neighbours.written import write_federation
from training.cli.budget import budget

MORE = [
    "copurchase.top_items=10",
    "copurchase.rank=2",
    "rhythm.as_of=2025-03-01T00:00:00Z",
    "rhythm.rounds=1",
]
VARYING = {"time", "hash", "previous", "run_id", "head", "snapshot_hmac", "exported", "where"}


def steady(value: Any) -> Any:
    """Without what a clock, a random run id or a keyed digest makes different each time."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in VARYING}
    return [steady(one) for one in value] if isinstance(value, list) else value


def books(federation: Path) -> list[Any]:
    found = []
    for command in (["export", "--out", "-"], ["history", "--json"]):
        result = CliRunner().invoke(budget, [*command, "--federation", str(federation)])
        assert result.exit_code == 0, result.output
        found.append(steady(json.loads(result.stdout)))
    return found


@pytest.mark.evidence
def test_what_leaves_and_the_books_are_the_same_without_a_customer_of_broken_rows(
    small_settings: list[str],
    new_output: Callable[[Path], Path],
    tmp_path: Path,
    counted: Callable[[int, int], int],
    evidence: Callable[..., None],
) -> None:
    fields, broken = 0, [n for n in range(200) if n % 5 != 4 and draw_world(n).broken]
    numbers = broken[: counted(1, 20)]
    for number in numbers:
        world = draw_world(number)
        gone = sorted(world.broken)[0]
        one, other = (
            left(each, tmp_path / f"{number} {place}", [*small_settings, *MORE], new_output)
            for place, each in enumerate((world, world.without(gone)))
        )
        fields += len(one[0].public)
        assert one[0].public == other[0].public
        assert one[0].noised.keys() == other[0].noised.keys()
        assert one[0].sealed.keys() == other[0].sealed.keys()
        for key, value in one[0].sealed.items():
            if key[-1] == "receipts":
                assert steady(charges(value)) == steady(charges(other[0].sealed[key]))
        assert one[1:] == other[1:]
        assert one[1] == ""
    evidence(
        "neighbours, whole runs: egress, statuses, receipts, exports and history of the ledgers",
        bar="public fields and books bit-identical without a customer whose rows are broken",
        measured=f"0 of {fields} public fields differ in {len(numbers)} pairs",
    )
    assert fields > 0


def left(
    world: World, folder: Path, settings: list[str], new_output: Callable[[Path], Path]
) -> tuple[Captured, str, list[Any]]:
    federation = write_federation({"north": world, "south": draw_world(3, sound=True)}, folder)
    output = new_output(folder / "out")
    replies, ended = run(folder, output, settings)
    return sorted_out(replies), ended, books(federation)
