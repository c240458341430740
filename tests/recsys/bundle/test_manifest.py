import dataclasses
import json

import pytest
from pydantic import ValidationError

from recsys.bundle.manifest import BlendSpec, Manifest, Metrics, SequenceSpec, Stamp
from recsys.errors import BundleError
from recsys.features.sequences import SequenceConfig

HASH = "0" * 64


def manifest(**changes):
    fields = {
        "created_at": "2025-10-09T08:53:20+00:00",
        "catalogue_hash": HASH,
        "n_items": 3,
        "sequence": SequenceSpec(),
        "blend": BlendSpec(),
        "blocks": {"towers": (0, 4)},
    }
    return Manifest.of({"a": HASH}, **{**fields, **changes})


def fields_of(one: Manifest):
    return json.loads(one.to_json())


def test_a_manifest_survives_its_text():
    one = manifest()
    assert Manifest.from_json(one.to_json()) == one
    assert one.to_json() == manifest().to_json()


@pytest.mark.parametrize(
    "change",
    [
        {"blend": BlendSpec(weight=2.0)},
        {"sequence": SequenceSpec(decay=0.5)},
        {"blocks": {"towers": (0, 5)}},
        {"catalogue_hash": "1" * 64},
    ],
)
def test_the_version_follows_what_shapes_an_answer(change):
    assert manifest(**change).model_version != manifest().model_version


def test_the_version_ignores_time_but_the_seal_does_not():
    later = manifest(created_at="2026-01-01T00:00:00+00:00")
    assert later.model_version == manifest().model_version
    assert later.seal != manifest().seal


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema_version": 3}, "schema_version 3 is newer than the 2 this program reads; upgrade"),
        ({"feature_version": 9}, "feature_version 9 is newer"),
        ({"feature_version": 0}, "feature_version is 0, expected 1; train"),
        ({"schema_version": "x"}, "schema_version is 'x'"),
        ({"created_at": "yesterday"}, "seal does not match"),
        ({"seal": None}, "seal does not match"),
        ({"model_version": "abc"}, "model_version 'abc' is not that of its content"),
        ({"n_items": 0}, "field 'n_items'"),
        ({"unknown": 1}, "field 'unknown'"),
        ({"files": {"a": "xyz"}}, r"field 'files\.a'"),
        ({"metrics": {"stamp": "trust me", "values": {}}}, r"field 'metrics\.stamp'"),
    ],
)
def test_a_changed_manifest_is_refused(change, problem):
    text = json.dumps({**fields_of(manifest()), **change}).encode()
    with pytest.raises(BundleError, match=problem) as failure:
        Manifest.from_json(text, "there/manifest.json")
    assert str(failure.value).startswith("there/manifest.json: ")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "problem"), [(b"{", "not JSON"), (b"[]", "not a JSON object"), (b"\xff", "not JSON")]
)
def test_other_text_is_refused(text, problem):
    with pytest.raises(BundleError, match=problem):
        Manifest.from_json(text)


def test_metrics_need_a_stamp_and_finite_values():
    assert Metrics(stamp=Stamp.CHARGED, values={"recall@10": 0.1}).stamp == "charged"
    with pytest.raises(ValidationError):
        Metrics(stamp=Stamp.CHARGED, values={"recall@10": float("nan")})


def test_the_sequence_in_the_file_is_the_sequence_in_use():
    settings = {field.name for field in dataclasses.fields(SequenceConfig) if field.init}
    assert set(SequenceSpec.model_fields) == settings
    config = SequenceConfig(max_items=7, decay=1.0, view=0.1, needs_order=False)
    assert SequenceSpec.of(config).config() == config
    assert SequenceSpec().config() == SequenceConfig()
