"""What a silo says of its stores and shelves: public, and read back as it was said."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from recsys.data.contracts import Table
from recsys.errors import TrainingError
from recsys.silos.config import FederationConfig
from training.config_file import load_config
from training.loading import load
from training.places import AREAS, CARRIED, public_fields, read_facts


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


def test_what_cannot_be_is_refused(small_world: Path) -> None:
    federation = FederationConfig.load(small_world / "federation.toml")
    catalogue = federation.read_catalogue()
    good = public_fields(federation.silo_configs()[0].base_silo(), catalogue)
    few = base64.b64encode(b"\x00").decode()
    for wrong in ({AREAS: "{"}, {CARRIED: "?"}, {CARRIED: few}):
        with pytest.raises(TrainingError, match="silo 'north' does not say"):
            read_facts("north", good | wrong, catalogue)
    with pytest.raises(TrainingError, match="silo 'north' does not say"):
        read_facts("north", {AREAS: good[AREAS]}, catalogue)
    for areas in ([], ["east"], ["", "east", "east"], {"": 1}, ""):
        with pytest.raises(TrainingError, match="areas that cannot be"):
            read_facts("north", good | {AREAS: json.dumps(areas)}, catalogue)
