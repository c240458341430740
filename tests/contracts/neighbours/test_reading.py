"""Everything that is read of the other customers is the same, bit by bit, with one customer more or less."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from recsys.data.contracts import Table
from recsys.errors import DataContractError
from recsys.silos import check, online
from recsys.silos.check import read_checked, read_for_training, read_sound
from recsys.silos.tables import SiloTables, narrow
from tests.contracts.neighbours.worlds import draw_pair
from tests.contracts.neighbours.written import CATALOGUE, configured, write_world
from training.config_file import load_config
from training.loading import TrainingData, load

PRIVATE = (Table.CUSTOMERS, Table.INTERACTIONS)
CONFIG = load_config(None, ["until=2024-12-01T00:00:00Z", "max_events_per_customer=20"])
SETTINGS = CONFIG.silo_settings(ordered=True)


class Pair:
    """Two neighbouring silos on disk, and who is missing in the second."""

    def __init__(self, number: int, folder: Path, *, sound: bool) -> None:
        self.number = number
        self.world, self.neighbour, self.gone = draw_pair(number, sound=sound)
        self.silo, self.other = (
            configured(write_world(world, folder / f"{number}-{sound}-{name}")).training_silo()
            for name, world in (("with", self.world), ("without", self.neighbour))
        )

    def differing(self, one: SiloTables, other: SiloTables) -> list[str]:
        """The tables that are not the same but for the customer who is gone."""
        return [
            f"pair {self.number}: {table}"
            for table in Table
            if not _same(self._rest(getattr(one, table), table), getattr(other, table))
        ]

    def loaded(self, silo: online.Silo) -> TrainingData:
        timed = self.world.ordering == "timestamp"
        held = SETTINGS.model_copy(update={"held_out": timed} | ({} if timed else {"until": None}))
        return load(silo, CATALOGUE, held, max_silos_per_person=1, silos=2)

    def _rest(self, rows: pa.Table, table: Table) -> pa.Table:
        if table not in PRIVATE:
            return rows
        ids = rows["customer_id"].cast(pa.string())
        return rows.filter(pc.not_equal(ids, self.gone))


def _same(one: pa.Table, other: pa.Table) -> bool:
    return bool(one.replace_schema_metadata(None).equals(other.replace_schema_metadata(None)))


def _without(data: TrainingData, customer: str) -> list[bytes]:
    """Each customer's history, sequence and held-out events but one's, as bytes."""
    found, ids = [], data.dataset.customer_ids
    held = None if data.held_out is None else data.held_out
    for place, name in enumerate(ids):
        if name == customer:
            continue
        found.append(name.encode())
        for histories in (data.dataset.histories, *(() if held is None else (held.train, held.targets))):
            part = slice(histories.offsets[place], histories.offsets[place + 1])
            columns = (histories.items, histories.times, histories.events, histories.quantities)
            found += [column[part].tobytes() for column in columns]
            assert histories.areas is not None
            found.append(histories.areas[part].tobytes())
        found += [data.sequences.ids[place].tobytes(), data.sequences.weights[place].tobytes()]
    return found


@pytest.mark.evidence
def test_what_is_read_of_others_is_the_same(
    tmp_path: Path, counted: Callable[[int, int], int], evidence: Callable[..., None]
) -> None:
    pairs, differing, loaded, broken = counted(60, 2000), list[str](), 0, 0
    for number in range(pairs):
        pair = Pair(number, tmp_path, sound=number % 3 == 0)
        broken += bool(pair.world.broken)
        differing += pair.differing(read_sound(pair.silo), read_sound(pair.other))
        if number % 2:
            continue
        loaded += 1
        one, other = pair.loaded(pair.silo), pair.loaded(pair.other)
        if _without(one, pair.gone) != _without(other, pair.gone):
            differing.append(f"pair {number}: histories, sequences or what is held out")
    evidence(
        "neighbours, everything compared: files and online events, what is set aside, what is loaded",
        bar="0 differences but the customer's own",
        measured=f"{len(differing)} in {pairs} pairs, {broken} with broken rows, {loaded} of them loaded",
    )
    assert differing == []
    assert broken > pairs // 3


def test_strict_and_tolerant_reading_agree_where_nothing_is_broken(
    tmp_path: Path, counted: Callable[[int, int], int]
) -> None:
    for number in range(counted(12, 300)):
        pair = Pair(number, tmp_path, sound=True)
        strict, tolerant = read_checked(pair.silo, CATALOGUE), check._sifted(pair.silo, CATALOGUE)
        for table in Table:
            assert _same(getattr(strict, table), getattr(tolerant, table)), (number, table)
        assert pair.differing(strict, read_checked(pair.other, CATALOGUE)) == []
        trained = read_for_training(pair.silo, CATALOGUE)
        assert _same(trained.interactions, narrow(tolerant.interactions, tolerant))


def test_the_operator_is_told_what_training_sets_aside(tmp_path: Path) -> None:
    told = 0
    for number in range(12):
        pair = Pair(number, tmp_path, sound=False)
        tables = read_sound(pair.silo)
        listed = sum(row.owner in pair.world.names for row in pair.world.customers)
        if tables.customers.num_rows < listed:
            with pytest.raises(DataContractError):
                read_checked(pair.silo)
            told += 1
    assert told > 0


def test_the_last_customer_may_leave(tmp_path: Path) -> None:
    world = draw_pair(2, sound=True)[0]
    for name in world.names:
        world = world.without(name)
    silo = configured(write_world(world, tmp_path)).training_silo()
    assert read_sound(silo).customers.num_rows == 0
    assert len(load(silo, CATALOGUE, SETTINGS, max_silos_per_person=1, silos=1).dataset.histories) == 0


def test_merging_by_event_id_alone_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison has teeth: with the former rule, other customers' online events come and go."""
    monkeypatch.setattr(online, "KEY", ("event_id",))
    pairs = [Pair(number, tmp_path, sound=True) for number in range(12)]
    assert any(pair.differing(read_sound(pair.silo), read_sound(pair.other)) for pair in pairs)
