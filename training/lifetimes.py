"""What each silo was last known to have spent in its ledger's lifetime, kept across one coordinator's runs.

A silo that is away or late when a run ends has spent what it spent in earlier runs all the same: the lifetime
that a statement claims must not shrink because somebody did not answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.errors import LedgerError, TrainingError
from recsys.privacy.charged import Charged, from_report, to_report
from training.checkpoint import write_atomically
from training.messages import Reply

FILE = "silo_lifetimes.json"

Lifetimes = dict[str, list[Charged]]


def known_lifetimes(output: Path) -> Lifetimes:
    """The last known charges of every silo that ever answered; TrainingError if the file is damaged."""
    path = output / FILE
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_bytes())
        return {silo: from_report(_report(kept)) for silo, kept in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, LedgerError) as error:
        raise TrainingError(f"{path}: not readable ({error}); restore it from a copy") from None


def remember(output: Path, replies: Mapping[str, Reply]) -> Lifetimes:
    """Keep what these silos say of their ledgers' lifetimes; returns it. Others keep what was last known."""
    said = {silo: reported(reply) for silo, reply in replies.items()}
    known = known_lifetimes(output) | said
    content = {silo: to_report(charged) for silo, charged in sorted(known.items())}
    write_atomically(output / FILE, json.dumps(content).encode())
    return said


def reported(reply: Reply) -> list[Charged]:
    """All charges in a silo's ledger, as it answered; an older silo says the events alone."""
    return from_report(json.loads(str(reply.fields["events"])))


def _report(kept: Any) -> Any:
    """Files from before plans were recorded hold a list of events for each silo."""
    return {"events": kept} if isinstance(kept, list) else kept
