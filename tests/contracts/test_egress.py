"""All that leaves the silos in whole runs: declared, and public fields the same with a customer more or less.

Three worlds (as it is, without a customer, with one more) have a training each, and then a second one on the
same ledgers, under caps that it exceeds.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from experiments.evidence.bars import Bar
from tests.contracts.captured_runs import (
    Captured,
    charges,
    content_of,
    customers_of,
    lower_caps,
    run,
    sorted_out,
    with_one_customer_more,
    without_one_customer,
)


@dataclass
class TwoRuns:
    """One world's two trainings: what left the silos, how the second ended, and where all of it is."""

    first: Captured
    second: Captured
    ended: str
    world: Path
    output: Path


WORLDS = {"whole": lambda _: None, "without": without_one_customer, "with": with_one_customer_more}


@pytest.fixture(scope="module")
def captured(
    small_world: Path,
    small_settings: list[str],
    new_output: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, TwoRuns]:
    root, found = tmp_path_factory.mktemp("egress"), {}
    for name, change in WORLDS.items():
        world, output = Path(shutil.copytree(small_world, root / name)), new_output(root / f"out-{name}")
        change(world)
        first, ended = run(world, output, small_settings)
        assert ended == ""
        lower_caps(world)
        second, ended = run(world, output, [*small_settings, "privacy.epsilon=2.9", "seed=1"])
        found[name] = TwoRuns(sorted_out(first), sorted_out(second), ended, world, output)
    return found


@pytest.fixture(params=["without", "with"])
def neighbours(request: pytest.FixtureRequest, captured: dict[str, TwoRuns]) -> tuple[TwoRuns, TwoRuns]:
    """The world and one that differs from it in one customer."""
    return captured["whole"], captured[request.param]


def test_every_stage_and_silo_is_in_the_capture(captured: dict[str, TwoRuns]) -> None:
    for runs in captured.values():
        stages = {key[1] for key in runs.first.public}
        assert {
            "query.hello",
            "train.popularity",
            "train.intervals",
            "train.copurchase",
            "train.rhythm",
            "train.season",
            "train.followups",
            "query.places",
            "train.demand",
            "train.towers",
            "query.receipts",
        } <= stages
        assert len({key[0] for key in runs.first.public}) == 3
        assert len([key for key in runs.first.noised if key[1] == "train.towers"]) == 3 * 5
        assert len([key for key in runs.first.noised if key[1] == "train.rhythm"]) == 3 * 3


def test_the_second_run_is_refused_and_says_what_is_left(captured: dict[str, TwoRuns]) -> None:
    for runs in captured.values():
        public = runs.second.public
        assert "budget-exceeded" in {value for key, value in public.items() if key[-1] == "status"}
        left = [value for key, value in public.items() if key[-1] == "epsilon_left"]
        assert len(left) == 3
        assert all(0 <= value < 3.0 for value in left)
        assert runs.ended.startswith("BudgetExceededError")


@pytest.mark.evidence
def test_public_fields_are_identical_with_one_customer_more_or_less(
    neighbours: tuple[TwoRuns, TwoRuns], evidence: Callable[..., None]
) -> None:
    one, other = neighbours
    assert one.first.public == other.first.public
    assert one.second.public == other.second.public
    assert one.ended == other.ended
    fields = len(one.first.public) + len(one.second.public)
    runs = [(one.first.public, other.first.public), (one.second.public, other.second.public)]
    differ = sum(mine.get(key) != theirs.get(key) for mine, theirs in runs for key in mine | theirs)
    evidence(
        f"captured egress, a neighbour {other.world.name} one customer",
        bar="over two runs on the same ledgers",
        measured=f"{fields} public fields",
        bars=[Bar("public fields that differ", differ, at_most=0)],
    )


def test_sealed_fields_differ_by_clock_and_key_alone(neighbours: tuple[TwoRuns, TwoRuns]) -> None:
    one, other = neighbours
    for first, second in ((one.first, other.first), (one.second, other.second)):
        assert first.sealed.keys() == second.sealed.keys()
        for key, value in first.sealed.items():
            if key[-1] == "receipts":
                assert charges(value) == charges(second.sealed[key])
            else:
                assert key[-1] == "ledger_head"
                assert len(value) == 64


def test_every_sum_is_noised_and_never_twice_the_same(neighbours: tuple[TwoRuns, TwoRuns]) -> None:
    one, other = neighbours
    for first, second in ((one.first, other.first), (one.second, other.second)):
        assert first.noised.keys() == second.noised.keys()
        for key, values in first.noised.items():
            changed = second.noised[key]
            assert (values.dtype, values.shape) == (np.float32, changed.shape)
            assert np.mean(values == changed) < 0.01
            assert len(np.unique(values)) > 0.99 * len(values)


def test_no_customer_is_named_in_any_reply(captured: dict[str, TwoRuns]) -> None:
    for runs in captured.values():
        parts = (runs.first.public, runs.first.sealed, runs.second.public, runs.second.sealed)
        texts = "\n".join(str(value) for part in parts for value in part.values()) + runs.ended
        assert not [name for name in customers_of(runs.world) if name in texts]


def test_no_customer_is_named_in_what_the_coordinator_writes(captured: dict[str, TwoRuns]) -> None:
    """Run folders, the mirror of the ledgers, MLflow's database and artifacts, bundles."""
    for runs in captured.values():
        files = [path for path in runs.output.rglob("*") if path.is_file()]
        assert {".db", ".json", ".parquet", ".safetensors", ".onnx"} <= {path.suffix for path in files}
        names = {name.encode() for name in customers_of(runs.world)}
        assert min(map(len, names)) >= 16
        for path in files:
            content = content_of(path)
            assert not [name for name in names if name in content], path
