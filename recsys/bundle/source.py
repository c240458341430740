"""Where bundles come from: a directory, or a registry that a process of its own fetches from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from recsys.bundle.contents import Bundle
from recsys.bundle.store import read_bundle
from recsys.errors import RegistryError, RegistryNameError

REGISTRY_SCHEME = "models:/"
FETCH_SECONDS = 300.0


class BundleSource(Protocol):
    """Something that can give a verified bundle."""

    def load(self) -> Bundle:
        """The bundle that the source names now, every hash checked. Raises BundleError or RegistryError."""
        ...


@dataclass(frozen=True)
class DirectorySource:
    """A folder that `write_bundle` wrote."""

    folder: Path

    def load(self) -> Bundle:
        """Read the folder. Raises BundleError."""
        return read_bundle(self.folder)


@dataclass(frozen=True)
class RegistrySource:
    """A registered bundle: `models:/name@alias` or `models:/name/3`.

    The registry's client runs in another process: it would cost this one seconds and hundreds of megabytes.
    Each load keeps its copy in a new folder below `cache`.
    """

    uri: str
    cache: Path
    tracking_uri: str | None = None
    seconds: float = FETCH_SECONDS

    def load(self) -> Bundle:
        """Fetch and read. Raises RegistryError with the reason that the fetching process gave."""
        return read_bundle(self.fetch())

    def fetch(self) -> Path:
        """Fetch a verified copy and return its folder. Raises RegistryError, RegistryNameError."""
        folder = self.cache / f"bundle-{uuid4().hex}"
        command = [sys.executable, "-m", "recsys.bundle.registry_mlflow", "fetch", self.uri, str(folder)]
        if self.tracking_uri is not None:
            command += ["--tracking-uri", self.tracking_uri]
        try:
            done = subprocess.run(  # noqa: S603 - our own module, no shell
                command, capture_output=True, text=True, timeout=self.seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise RegistryError(
                f"{self.uri}: the registry gave no answer within {self.seconds:g} s; check that it runs"
            ) from None
        if done.returncode != 0:
            kind = RegistryNameError if done.returncode == RegistryNameError.exit_code else RegistryError
            raise kind(f"{self.uri}: {_reason(done.stderr)}")
        return folder


def source_of(bundle: str | Path, cache: Path, tracking_uri: str | None = None) -> BundleSource:
    """The source that a setting names: a path, or an address that starts with 'models:/'."""
    if str(bundle).startswith(REGISTRY_SCHEME):
        return RegistrySource(str(bundle), cache, tracking_uri)
    return DirectorySource(Path(bundle))


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    named = [line for line in lines if line.startswith("error: ")]
    if named:
        return named[-1].removeprefix("error: ")
    return lines[-1] if lines else "the registry's client failed without a word; run its command by hand"
