"""What a silo's server is told at start; checked once, never read from the environment afterwards."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

MAX_EVENTS_PER_CUSTOMER = 5_000
"""The latest of a customer's events that answers read."""


def default_cache() -> Path:
    """Where bundles fetched from a registry are kept: $XDG_CACHE_HOME or ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "thousandfaces" / "bundles"


class Peer(BaseModel):
    """Another silo's own server, which this one's page links to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    url: str = Field(pattern=r"^https?://[^\s\"'<>]+$")


class Settings(BaseModel):
    """One silo's server.

    bundle:   a bundle's directory, or `models:/name@alias` of the model registry
    silo:     the silo's `silo.toml`
    demo:     also list customers and their events for the page; never for real customers
    demo_clock: start the server's clock at `data_until` of silo.toml if that is past (demo only)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str | Path
    silo: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    demo: bool = False
    demo_clock: bool = True
    peers: tuple[Peer, ...] = ()
    cache: Path = Field(default_factory=default_cache)
    max_body_bytes: int = Field(default=1_048_576, ge=1_024)
    max_clock_skew_seconds: int = Field(default=300, ge=0)
