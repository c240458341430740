"""All that leaves the silos in a whole run: declared, and public fields identical without one customer."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Message

from recsys.silos.config import FederationConfig
from training.client_app import app
from training.config import load_config
from training.coordinator import coordinate
from training.egress import EGRESS, Leaves
from training.progress import silent
from training.simulate import InProcessGrid, node_contexts


class Tap(InProcessGrid):
    """A grid that keeps every reply."""

    kept: list[Message]

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Message]:
        replies = super().send_and_receive(messages, timeout=timeout)
        self.kept.extend(replies)
        return replies


@dataclass
class Captured:
    public: dict[tuple[str, ...], Any] = field(default_factory=dict)
    sealed: dict[tuple[str, ...], Any] = field(default_factory=dict)
    noised: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict)


def run(world: Path, output: Path, settings: list[str]) -> list[Message]:
    federation = world / "federation.toml"
    config = load_config(None, settings, {"federation": federation, "output": output})
    nodes = len(FederationConfig.load(federation).silos)
    grid = Tap(app, node_contexts(nodes, {"federation": str(federation)}))
    grid.kept = []
    coordinate(grid, config, progress=silent, resume=False)
    grid.close()
    return grid.kept


def sorted_out(replies: list[Message]) -> Captured:
    """Each field of each reply under its declaration; an undeclared one has no place."""
    captured = Captured()
    for reply in replies:
        assert reply.has_content()
        assert set(reply.content) == {"fields", "arrays"}
        fields, arrays = reply.content["fields"], reply.content["arrays"]
        assert isinstance(fields, ConfigRecord)
        assert isinstance(arrays, ArrayRecord)
        key = tuple(str(fields[name]) for name in ("silo", "stage", "round"))
        for name, value in fields.items():
            place = {Leaves.PUBLIC: captured.public, Leaves.SEALED: captured.sealed}[EGRESS[name].leaves]
            place[*key, name] = value
        for name, array in arrays.items():
            assert EGRESS[name].leaves is Leaves.NOISED
            captured.noised[*key, name] = array.numpy()
    return captured


def charges(receipts: str) -> list[dict[str, Any]]:
    """Receipts without what a clock, a random run id or a keyed digest makes different each time."""
    dropped = {"hash", "time", "run_id"}
    return [{k: v for k, v in json.loads(text).items() if k not in dropped} for text in json.loads(receipts)]


def without_one_customer(world: Path, copy: Path) -> Path:
    """The neighbouring data set: the busiest customer of a silo who consents is gone, with all records."""
    shutil.copytree(world, copy)
    folder = sorted((copy / "silos").iterdir())[0]
    rows, customers = (pq.read_table(folder / f"{name}.parquet") for name in ("interactions", "customers"))
    consenting = customers.filter(customers["consent_training"])["customer_id"]
    counts = rows.filter(pc.is_in(rows["customer_id"], value_set=consenting.combine_chunks()))
    busiest = pc.mode(counts["customer_id"].dictionary_encode().combine_chunks().indices)[0]["mode"].as_py()
    chosen = counts["customer_id"].dictionary_encode().combine_chunks().dictionary[busiest]
    for name, table in (("interactions", rows), ("customers", customers)):
        kept = table.filter(pc.not_equal(table["customer_id"], chosen))
        assert len(kept) < len(table)
        pq.write_table(kept, folder / f"{name}.parquet")
    return copy


@pytest.fixture(scope="module")
def captured(
    small_world: Path,
    small_settings: list[str],
    new_output: Callable[[Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Captured, Captured, Path]:
    root = tmp_path_factory.mktemp("egress")
    shutil.copytree(small_world, root / "world")
    neighbour = without_one_customer(root / "world", root / "neighbour")
    both = (
        sorted_out(run(world, new_output(root / f"out-{world.name}"), small_settings))
        for world in (root / "world", neighbour)
    )
    return (*both, root)


def test_every_stage_and_silo_is_in_the_capture(captured: tuple[Captured, Captured, Path]) -> None:
    stages = {key[1] for key in captured[0].public}
    assert {
        "query.hello",
        "train.popularity",
        "train.intervals",
        "train.copurchase",
        "train.towers",
    } <= stages
    assert len({key[0] for key in captured[0].public}) == 3
    assert len([key for key in captured[0].noised if key[1] == "train.towers"]) == 3 * 5


def test_public_fields_are_identical_without_one_customer(captured: tuple[Captured, Captured, Path]) -> None:
    first, second, _ = captured
    assert first.public == second.public


def test_sealed_fields_differ_by_clock_and_key_alone(captured: tuple[Captured, Captured, Path]) -> None:
    first, second, _ = captured
    assert first.sealed.keys() == second.sealed.keys()
    for key, value in first.sealed.items():
        if key[-1] == "receipts":
            assert charges(value) == charges(second.sealed[key])
        else:
            assert key[-1] == "ledger_head"
            assert len(value) == 64


def test_every_sum_is_noised_and_never_twice_the_same(captured: tuple[Captured, Captured, Path]) -> None:
    first, second, _ = captured
    assert first.noised.keys() == second.noised.keys()
    for key, values in first.noised.items():
        other = second.noised[key]
        assert (values.dtype, values.shape) == (np.float32, other.shape)
        assert np.mean(values == other) < 0.01
        assert len(np.unique(values)) > 0.99 * len(values)


def test_no_customer_is_named_in_any_reply(captured: tuple[Captured, Captured, Path]) -> None:
    first, _, root = captured
    texts = "\n".join(str(value) for value in [*first.public.values(), *first.sealed.values()])
    for folder in (root / "world" / "silos").iterdir():
        customers = pq.read_table(folder / "customers.parquet")["customer_id"].to_pylist()
        assert not any(customer in texts for customer in customers)
