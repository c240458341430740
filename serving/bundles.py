"""Where the served bundle is on this machine: a directory, or a fresh copy from the model registry."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from recsys.errors import RegistryError

REGISTRY_SCHEME = "models:/"
FETCH_SECONDS = 300


def local_bundle(bundle: str | Path, cache: Path) -> Path:
    """The directory of a bundle; `models:/name@alias` is fetched into `cache` by a process of its own.

    The registry's client is never imported here: it would cost seconds and hundreds of megabytes.
    Raises RegistryError with the reason that the fetching process gave.
    """
    if not str(bundle).startswith(REGISTRY_SCHEME):
        return Path(bundle)
    cache.mkdir(parents=True, exist_ok=True)
    destination = Path(tempfile.mkdtemp(prefix="bundle-", dir=cache)) / "bundle"
    command = [sys.executable, "-m", "recsys.bundle.registry_mlflow", "fetch", str(bundle), str(destination)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False, env=dict(os.environ)
        )
    except subprocess.TimeoutExpired as error:
        raise RegistryError(f"{bundle}: the registry gave no answer within {FETCH_SECONDS} s") from error
    if done.returncode != 0:
        raise RegistryError(f"{bundle}: {_reason(done.stderr)}")
    return destination


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else "the registry's client failed without a word"
