"""What each silo was last known to have spent in its ledger's lifetime, kept across one coordinator's runs.

A silo that is away or late when a run ends has spent what it spent in earlier runs all the same: the lifetime
that a statement claims must not shrink because somebody did not answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from recsys.errors import TrainingError
from recsys.privacy.events import PrivacyEvent
from training.checkpoint import write_atomically
from training.messages import Reply

FILE = "silo_lifetimes.json"

Lifetimes = dict[str, list[PrivacyEvent]]


def known_lifetimes(output: Path) -> Lifetimes:
    """The last known events of every silo that ever answered. Raises TrainingError if the file is damaged."""
    path = output / FILE
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_bytes())
        return {silo: [PrivacyEvent(**event) for event in events] for silo, events in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path}: not readable ({error}); restore it from a copy") from None


def remember(output: Path, replies: Mapping[str, Reply]) -> Lifetimes:
    """Keep what these silos say of their ledgers' lifetimes; returns it. Others keep what was last known."""
    said = {silo: reported(reply) for silo, reply in replies.items()}
    known = known_lifetimes(output) | said
    content = {silo: [asdict(event) for event in events] for silo, events in sorted(known.items())}
    write_atomically(output / FILE, json.dumps(content).encode())
    return said


def reported(reply: Reply) -> list[PrivacyEvent]:
    """All events in a silo's ledger, as it answered."""
    return [PrivacyEvent(**event) for event in json.loads(str(reply.fields["events"]))["events"]]
