import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recsys.bundle import store
from recsys.bundle.contents import FILES
from recsys.bundle.manifest import MANIFEST_FILE, Metrics, Stamp
from recsys.bundle.store import read_bundle, read_manifest, write_bundle
from recsys.errors import BundleError, NoBundleError
from tests.recsys.bundle_builder import build_bundle, make_bundle


def test_a_bundle_survives_its_folder(tmp_path):
    bundle = build_bundle()
    copy = read_bundle(write_bundle(tmp_path / "deep" / "bundle", bundle))
    assert copy.manifest == bundle.manifest
    for name in ("vectors", "history_table", "log_popularity", "neighbours", "lifts"):
        np.testing.assert_array_equal(getattr(copy, name), getattr(bundle, name))
    assert copy.statement == bundle.statement
    assert set(copy.intervals) == set(bundle.intervals)
    assert copy.catalogue.item_ids == bundle.catalogue.item_ids
    assert copy.user_tower == bundle.user_tower
    assert sorted(path.name for path in (tmp_path / "deep" / "bundle").iterdir()) == sorted(
        [*FILES, MANIFEST_FILE]
    )


@pytest.mark.parametrize("name", FILES)
def test_one_changed_bit_of_any_file_is_found_before_anything_is_parsed(tmp_path, monkeypatch, name):
    folder = make_bundle(tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    monkeypatch.setattr(store, "parse", lambda *_: pytest.fail("parsed before every hash was checked"))
    with pytest.raises(
        BundleError, match=f"{name}: does not match its hash in the manifest; fetch or publish"
    ):
        read_bundle(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST_FILE])
def test_a_missing_file_is_named(tmp_path, name):
    folder = make_bundle(tmp_path)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing; fetch or publish"):
        read_bundle(folder)


@pytest.mark.parametrize("name", [*FILES, MANIFEST_FILE])
def test_a_truncated_file_is_refused(tmp_path, name):
    folder = make_bundle(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:10])
    with pytest.raises(BundleError, match=name):
        read_bundle(folder)


def test_an_extra_file_is_named(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "model.pkl").write_bytes(b"\x80\x04")
    with pytest.raises(BundleError, match=r"model\.pkl: not part of a bundle; remove it"):
        read_bundle(folder)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / "statement.json").unlink()
    (folder / "statement.json").mkdir()
    with pytest.raises(BundleError, match=r"statement\.json: cannot be read"):
        read_bundle(folder)


def test_a_manifest_may_name_only_the_bundles_own_files(tmp_path):
    bundle = build_bundle()
    folder = write_bundle(tmp_path / "bundle", bundle)
    files = {**bundle.manifest.files, "../../etc/passwd": "0" * 64}
    fields = {name: getattr(bundle.manifest, name) for name in ("created_at", "catalogue_hash", "n_items")}
    specs = {name: getattr(bundle.manifest, name) for name in ("sequence", "blend", "blocks")}
    (folder / MANIFEST_FILE).write_bytes(type(bundle.manifest).of(files, **fields, **specs).to_json())
    with pytest.raises(BundleError, match="lists other files than a bundle has"):
        read_bundle(folder)


def test_an_oversized_manifest_is_not_read(tmp_path):
    folder = make_bundle(tmp_path)
    (folder / MANIFEST_FILE).write_bytes(b" " * (store.MAX_MANIFEST_BYTES + 1))
    with pytest.raises(BundleError, match="larger than a manifest"):
        read_bundle(folder)


def test_a_newer_schema_says_upgrade(tmp_path):
    folder = make_bundle(tmp_path)
    fields = json.loads((folder / MANIFEST_FILE).read_text())
    (folder / MANIFEST_FILE).write_text(json.dumps({**fields, "schema_version": 3, "new_field": 1}))
    with pytest.raises(BundleError, match="upgrade thousandfaces"):
        read_bundle(folder)


def test_another_catalogue_is_refused(tmp_path):
    folder = make_bundle(tmp_path)
    known = read_manifest(folder).catalogue_hash
    assert read_bundle(folder, expected_catalogue=known).manifest.catalogue_hash == known
    with pytest.raises(BundleError, match="made for catalogue"):
        read_bundle(folder, expected_catalogue="f" * 64)


@pytest.mark.parametrize("name", ["nothing", "x" * 5_000, "a\0b"])
def test_no_folder_is_an_error(tmp_path, name):
    with pytest.raises(NoBundleError, match="no such bundle folder"):
        read_bundle(tmp_path / name)


def test_the_same_bundle_may_be_written_again(tmp_path):
    folder = make_bundle(tmp_path)
    before = (folder / MANIFEST_FILE).read_bytes()
    later = build_bundle().manifest.model_copy(update={"created_at": "2030-01-01T00:00:00+00:00"})
    write_bundle(folder, replace(build_bundle(), manifest=later))
    assert (folder / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize("kind", ["other content", "other metrics", "no bundle", "damaged"])
def test_anything_else_is_never_overwritten(tmp_path, kind):
    folder, bundle = tmp_path / "bundle", build_bundle()
    if kind == "no bundle":
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    else:
        write_bundle(folder, build_bundle(seed=1) if kind == "other content" else bundle)
    if kind == "damaged":
        (folder / "vectors.safetensors").write_bytes(b"x")
    if kind == "other metrics":
        bundle = bundle.with_manifest(metrics=Metrics(stamp=Stamp.SIMULATED, values={"x": 1.0}))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BundleError, match="another folder"):
        write_bundle(folder, bundle)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_whose_parts_changed_is_not_written(tmp_path):
    changed = replace(build_bundle(), vectors=build_bundle(seed=1).vectors)
    with pytest.raises(BundleError, match=r"vectors\.safetensors: differs from the manifest"):
        write_bundle(tmp_path / "bundle", changed)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("step", range(len(FILES) + 1))
def test_a_crash_at_any_file_leaves_no_folder(tmp_path, monkeypatch, step):
    written = []

    def dies(path: Path, data: bytes) -> None:
        if len(written) == step:
            raise KeyboardInterrupt
        written.append(path)
        path.write_bytes(data)

    monkeypatch.setattr(store, "_write_synced", dies)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(tmp_path / "bundle", build_bundle())
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_named_error(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write_synced", full)
    with pytest.raises(BundleError, match=r"cannot be written .*No space left"):
        write_bundle(tmp_path / "bundle", build_bundle())


def test_two_writers_of_the_same_bundle_both_succeed(tmp_path, monkeypatch):
    bundle, rename = build_bundle(), Path.rename

    def other_was_faster(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        write_bundle(target, bundle)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", other_was_faster)
    assert read_bundle(write_bundle(tmp_path / "bundle", bundle)).version == bundle.version
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_every_file_is_synced_before_the_folder_appears(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def noted(descriptor: int) -> None:
        synced.append((tmp_path / "bundle").exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    make_bundle(tmp_path)
    assert synced == [False] * (len(FILES) + 2) + [True]
