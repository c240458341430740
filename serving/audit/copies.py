"""A silo as a server reads it, with an event store of its own: nothing of the silo is changed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from recsys.silos.config import SiloConfig
from recsys.silos.event_store import OnlineEventStore
from recsys.silos.events import Event

_READ = (
    "name",
    "registered_customers",
    "epsilon_cap",
    "delta",
    "folder",
    "timezone",
    "ordering",
    "data_until",
    "life_events",
    "life_plan",
    "followups_exclude",
)


def copied(silo: Path, folder: Path) -> Path:
    """A silo.toml in the (new) folder that names the silo's own tables and a copy of its event store.

    Raises ConfigError for a broken silo.toml.
    """
    folder.mkdir(parents=True)
    config = SiloConfig.load(silo)
    online = folder / "online.sqlite"
    if config.online is not None and config.online.exists():
        _copy(config.online, online)
    fields = config.model_dump(mode="json", include=set(_READ), exclude_none=True)
    for name in ("folder", "life_events", "life_plan"):
        if name in fields:
            fields[name] = str(Path(fields[name]).resolve())
    if config.online is not None:
        fields["online"] = str(online.resolve())
    path = folder / "silo.toml"
    # Texts, numbers and lists of texts look the same in TOML and JSON.
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()), "utf-8")
    return path


def add_newest(silo: Path, customer_id: str, item_id: str, at: datetime) -> None:
    """Give the copy an online event of the customer's at this moment, if it takes any."""
    online = SiloConfig.load(silo).online
    if online is not None:
        store = OnlineEventStore(online)
        store.append([Event("audit-newest", customer_id, item_id, "purchase", 1.0, at)])
        store.close()


def _copy(online: Path, to: Path) -> None:
    """With what is still in the file's log."""
    with closing(sqlite3.connect(online)) as old, closing(sqlite3.connect(to)) as new:
        old.backup(new)
