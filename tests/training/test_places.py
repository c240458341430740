"""What a silo says of its stores and shelves: public, and read back as it was said."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from recsys.data.contracts import Table
from recsys.errors import TrainingError
from recsys.silos.config import FederationConfig
from tests.recsys.histories_builder import make_catalogue
from training.config_file import load_config
from training.loading import load
from training.places import AREAS, CARRIED, public_fields, read_facts

SHELF = base64.b64encode(np.packbits([True, False]).tobytes()).decode()


def test_what_is_said_is_what_is_read(small_world: Path) -> None:
    federation = FederationConfig.load(small_world / "federation.toml")
    catalogue = federation.read_catalogue()
    for config in federation.silo_configs():
        silo = config.base_silo()
        facts = read_facts(config.name, public_fields(silo, catalogue), catalogue)
        items = catalogue.indices(silo.read(Table.ITEMS)["item_id"])
        assert np.array_equal(np.flatnonzero(facts.carried), np.sort(items))
        assert facts.areas == ("", *sorted(set(silo.read(Table.STORES)["area"].to_pylist())))


def test_events_are_read_with_their_areas(small_world: Path) -> None:
    federation = FederationConfig.load(small_world / "federation.toml")
    catalogue, config = federation.read_catalogue(), federation.silo_configs()[0]
    settings = load_config(None, []).silo_settings(ordered=True)
    data = load(config.base_silo(), catalogue, settings, max_silos_per_person=3, silos=3)
    found = data.dataset.histories.areas
    assert found is not None
    assert len(found) == len(data.dataset.histories.items)
    assert set(found.tolist()) == set(range(1, len(data.areas)))
    some = data.dataset.histories.select(np.array([2, 0])).areas
    offsets = data.dataset.histories.offsets
    assert some is not None
    assert some.tolist() == [*found[offsets[2] : offsets[3]], *found[: offsets[1]]]


def read(areas: str, carried: str = SHELF):
    return read_facts("north", {"areas": areas, "carried": carried}, make_catalogue(["milk", "soap"]))


def test_what_a_silo_says_is_read() -> None:
    facts = read(json.dumps(["", "\u00f6st", "west"]))
    assert facts.areas == ("", "\u00f6st", "west")
    assert facts.carried.tolist() == [True, False]


@pytest.mark.parametrize(
    "areas",
    [
        "[]",
        "{}",
        '""',
        "null",
        '["east"]',
        '["", "east", "east"]',
        '["", ["east"]]',
        '["", {"east": 1}]',
        '["", 1, "1"]',
        '["", null]',
        '["", NaN]',
        '["", "\\ud800"]',
    ],
)
def test_areas_that_cannot_be_are_refused_by_the_silos_name(areas: str) -> None:
    with pytest.raises(TrainingError, match="silo 'north' names areas that cannot be"):
        read(areas)


@pytest.mark.parametrize(
    ("areas", "carried"),
    [("[" * 100_000, SHELF), ("[", SHELF), ('[""]', "!"), ('[""]', ""), ('[""]', "//8=")],
)
def test_what_cannot_be_read_is_refused_by_the_silos_name(areas: str, carried: str) -> None:
    with pytest.raises(TrainingError, match="silo 'north' does not say"):
        read(areas, carried)


def test_a_silo_that_does_not_say_is_refused() -> None:
    with pytest.raises(TrainingError, match="silo 'north' does not say"):
        read_facts("north", {AREAS: '[""]'}, make_catalogue(["milk", "soap"]))
    with pytest.raises(TrainingError, match="silo 'north' names areas that cannot be"):
        read_facts("north", {AREAS: '["east"]', CARRIED: SHELF}, make_catalogue(["milk", "soap"]))
