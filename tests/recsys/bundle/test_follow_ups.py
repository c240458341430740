"""The optional file of follow-ups: there where the model has that part, and checked like every other."""

import json
from pathlib import Path

import pytest

from recsys.bundle.contents import FILES, FOLLOW_UPS, digest
from recsys.bundle.manifest import MANIFEST_FILE, Manifest
from recsys.bundle.store import read_bundle, read_manifest
from recsys.errors import BundleError
from recsys.models.followup_rules import FollowUp
from tests.recsys.bundle_builder import build_bundle, make_bundle

RULE = FollowUp("category-0", "category-1", 14, 60, 0.25, 0.04)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path, follow_ups=(RULE,))


def test_rules_survive_and_change_the_version(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.follow_ups == (RULE,)
    assert {path.name for path in folder.iterdir()} == {*FILES, FOLLOW_UPS, MANIFEST_FILE}
    assert json.loads((folder / FOLLOW_UPS).read_text())["follow_ups"][0]["chance"] == 0.25
    assert bundle.version != build_bundle().version


def test_none_found_is_not_the_same_as_not_looked_for(tmp_path: Path) -> None:
    assert read_bundle(make_bundle(tmp_path / "found none", follow_ups=())).follow_ups == ()
    assert read_bundle(make_bundle(tmp_path / "not looked for")).follow_ups is None


def test_a_missing_or_changed_file_is_named(folder: Path) -> None:
    text = (folder / FOLLOW_UPS).read_text()
    (folder / FOLLOW_UPS).write_text(text.replace("0.25", "0.95"))
    with pytest.raises(BundleError, match=f"{FOLLOW_UPS}: does not match its hash"):
        read_bundle(folder)
    (folder / FOLLOW_UPS).unlink()
    with pytest.raises(BundleError, match=f"{FOLLOW_UPS}: missing"):
        read_bundle(folder)


def test_one_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / FOLLOW_UPS).write_text("{}")
    with pytest.raises(BundleError, match=f"{FOLLOW_UPS}: not part of a bundle"):
        read_bundle(folder)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"follow_ups": [{"bought": "category-0"}]}'])
def test_a_well_hashed_file_that_holds_no_rules_is_named(folder: Path, content: bytes) -> None:
    (folder / FOLLOW_UPS).write_bytes(content)
    old = read_manifest(folder)
    files = {**old.files, FOLLOW_UPS: digest(content)}
    kept = {name: getattr(old, name) for name in ("catalogue_hash", "n_items", "sequence", "blend", "blocks")}
    forged = Manifest.of(files, created_at=old.created_at, **kept)
    (folder / MANIFEST_FILE).write_bytes(forged.to_json())
    with pytest.raises(BundleError, match=FOLLOW_UPS):
        read_bundle(folder)
