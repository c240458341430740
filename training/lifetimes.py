"""What is known of each silo's spending in its ledger's lifetime, over all of one coordinator's runs.

A silo that is away or late when a run ends has spent what it spent in earlier runs all the same: the lifetime
that a statement claims must not shrink because somebody did not answer, or because a file is gone. So three
sources are united: what silos say now, a file that only grows, and the receipts in every run's mirror.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recsys.errors import LedgerError, TrainingError
from recsys.privacy import ledger_views as views
from recsys.privacy.charged import Charged, from_report, to_report, united
from recsys.privacy.ledger import Ledger
from recsys.privacy.reservations import Reservation, merged
from training.checkpoint import runs, write_atomically
from training.messages import Reply

FILE = "silo_lifetimes.json"

Lifetimes = dict[str, list[Charged]]


@dataclass(frozen=True)
class Known:
    """All known charges, by silo; shortened: silos whose ledger now says less than is known of it."""

    charged: Lifetimes
    shortened: tuple[str, ...]


def known_lifetimes(output: Path) -> Lifetimes:
    """All charges that the file or a run's mirror holds of any silo; TrainingError if one is damaged."""
    return _united(_kept(output / FILE), _mirrored(output))


def remember(output: Path, replies: Mapping[str, Reply]) -> Known:
    """Add what these silos say of their ledgers' lifetimes to what is known, and keep it; returns all of it.

    Guarantee: no silo is known with less than it says now, ever said, or has a receipt for in a mirror of
    `output`. A charge that several of them hold counts once.
    """
    said = {silo: reported(reply) for silo, reply in replies.items()}
    known = _united(said, known_lifetimes(output))
    content = {silo: to_report(charged) for silo, charged in sorted(known.items())}
    write_atomically(output / FILE, json.dumps(content).encode())
    return Known(known, tuple(sorted(silo for silo in said if len(known[silo]) > len(said[silo]))))


def reported(reply: Reply) -> list[Charged]:
    """All charges in a silo's ledger, as it answered; an older silo says the events alone."""
    return from_report(json.loads(str(reply.fields["events"])))


def _report(kept: Any) -> Any:
    """Files from before plans were recorded hold a list of events for each silo."""
    return {"events": kept} if isinstance(kept, list) else kept


def _united(one: Mapping[str, Sequence[Charged]], other: Mapping[str, Sequence[Charged]]) -> Lifetimes:
    return {silo: united(one.get(silo, ()), other.get(silo, ())) for silo in sorted({*one, *other})}


def _kept(path: Path) -> Lifetimes:
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_bytes())
        return {silo: from_report(_report(kept)) for silo, kept in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, LedgerError) as error:
        raise TrainingError(f"{path}: not readable ({error}); restore it from a copy") from None


def _mirrored(output: Path) -> Lifetimes:
    """The charges in all runs' mirrors; receipts of one row in several of them are one charge."""
    found: dict[str, list[Reservation]] = {}
    for path in (run.ledger for run in runs(output)):
        if not path.exists():
            continue
        try:
            kept = views.mirrored_reservations(Ledger(path, create=False).rows())
        except LedgerError as error:
            raise TrainingError(f"{path}: not readable ({error}); restore it from a copy") from None
        for silo, reservations in kept.items():
            found.setdefault(silo, []).extend(reservations)
    return {silo: [one.charged for one in merged(reservations)] for silo, reservations in found.items()}
