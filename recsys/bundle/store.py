"""Write a bundle whole or not at all; read it trusting nothing before its hash is checked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from recsys.bundle.contents import FILES, OPTIONAL, Bundle, digest, parse, serialise
from recsys.bundle.manifest import MANIFEST_FILE, Manifest
from recsys.errors import BundleError, NoBundleError

AGAIN = "fetch or publish the bundle again"
MAX_MANIFEST_BYTES = 1_000_000


def write_bundle(folder: Path, bundle: Bundle) -> Path:
    """Write the bundle to `folder`, which appears complete in one step and survives a power cut.

    Writing the same bundle again changes nothing. Raises BundleError if the folder holds anything else, or if
    the parts no longer match the manifest.
    """
    files = serialise(bundle, bundle.index)
    for name, data in files.items():
        if digest(data) != bundle.manifest.files.get(name):
            raise BundleError(
                f"{name}: differs from the manifest; assemble the bundle again before writing it"
            )
    place_folder(folder, {**files, MANIFEST_FILE: bundle.manifest.to_json()})
    return folder


def read_bundle(folder: Path, *, expected_catalogue: str | None = None) -> Bundle:
    """Read a bundle, checking every file's hash before any of them is parsed.

    expected_catalogue: the hash of the catalogue in use, if the caller has one.
    Raises BundleError that names the file and what to do: missing or extra file, wrong hash, newer schema,
    another catalogue.
    """
    manifest = read_manifest(folder)
    if expected_catalogue not in (None, manifest.catalogue_hash):
        raise BundleError(
            f"{folder / MANIFEST_FILE}: made for catalogue {manifest.catalogue_hash[:12]}, in use is "
            f"{str(expected_catalogue)[:12]}; train with the catalogue in use, or switch to the bundle's"
        )
    return parse(checked_files(folder, manifest), manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone: enough to learn a bundle's version. Raises BundleError, NoBundleError."""
    path = folder / MANIFEST_FILE
    if not os.path.isdir(folder):  # False too for a path that no folder can have
        raise NoBundleError(
            f"{folder}: no such bundle folder; give the folder that publishing wrote, or fetch one"
        )
    return Manifest.from_json(_read(path, MAX_MANIFEST_BYTES), str(path))


def checked_files(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The bytes of every file of the bundle, hashes checked; unparsed. Raises BundleError."""
    wanted = {*FILES, *(set(OPTIONAL) & set(manifest.files))}
    if set(manifest.files) != wanted:
        odd = sorted(set(manifest.files) ^ wanted)
        raise BundleError(
            f"{folder / MANIFEST_FILE}: lists other files than a bundle has ({odd[0]}); {AGAIN}"
        )
    _refuse_extra(folder, wanted)
    files = {name: _read(folder / name) for name in sorted(wanted)}
    for name, data in files.items():
        if digest(data) != manifest.files[name]:
            raise BundleError(f"{folder / name}: does not match its hash in the manifest; {AGAIN}")
    return files


def place_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Create `folder` with these files by one atomic rename.

    A folder that already holds the same files is left alone, apart from the manifest's own details: the
    first one written stays. Raises BundleError if it holds anything else.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        return _require_same(folder, files)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, data in files.items():
            _write_synced(scratch / name, data)
        _sync_folder(scratch)
        scratch.chmod(0o755)
        scratch.rename(folder)
        _sync_folder(folder.parent)
    except OSError as error:
        if not folder.exists():
            raise BundleError(f"{folder}: cannot be written ({error}); free the path and try again") from None
        _require_same(folder, files)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return None


def _require_same(folder: Path, files: Mapping[str, bytes]) -> None:
    new = Manifest.from_json(files[MANIFEST_FILE])
    try:
        checked_files(folder, old := read_manifest(folder))
    except BundleError as error:
        raise BundleError(
            f"{error} (writing '{folder}': choose another folder, or remove this one)"
        ) from None
    if old.model_copy(update={"created_at": new.created_at}) != new:
        raise BundleError(
            f"{folder}: already holds bundle {old.model_version} and it differs from {new.model_version}; "
            "choose another folder"
        )


def _refuse_extra(folder: Path, wanted: Collection[str]) -> None:
    extra = sorted({path.name for path in folder.iterdir()} - {*wanted, MANIFEST_FILE})
    if extra:
        raise BundleError(f"{folder / extra[0]}: not part of a bundle; remove it, or {AGAIN}")


def _read(path: Path, limit: int | None = None) -> bytes:
    try:
        if limit is not None and path.stat().st_size > limit:
            raise BundleError(f"{path}: larger than a manifest can be ({limit:,} bytes); {AGAIN}")
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{path}: missing; {AGAIN}") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
