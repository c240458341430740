"""Disk full, no right to write, a wrong clock, the database gone: no noise without a durable reservation."""

import fcntl
import os
import re
from functools import partial
from pathlib import Path

import pytest

from recsys.errors import LedgerError
from recsys.privacy.ledger import Ledger
from recsys.privacy.stores import sqlite
from tests.contracts.ledger.children import Tell, fork
from tests.contracts.ledger.hindrances import (
    Hindrance,
    Restrict,
    cut,
    day_back,
    full_server,
    moved,
    no_room,
    read_only,
    revoked,
    unreachable,
)
from tests.contracts.ledger.places import kind_of
from tests.contracts.ledger.spending import keeper, spend, uncovered
from tests.recsys.privacy.builders import DELTA

OUTCOMES = "nothing was reserved|may have been reserved|what it reserved is spent|not a privacy ledger"
NOISE = 1000.0
ATTEMPTS = 20
PAGE = 4096

IN_SQLITE: dict[str, Hindrance] = {
    "disk full": no_room,
    "disk full before the first page": partial(no_room, size=PAGE),
    "disk full in the journal": partial(no_room, size=100),
    "file read-only": read_only,
    "folder read-only": partial(read_only, name="."),
    "heads read-only": partial(read_only, name="ledger.sqlite.heads"),
    "clock a day back": day_back,
    "file gone": moved,
    "folder gone": partial(moved, folder=True),
    "a folder in its place": partial(moved, put=Path.mkdir),
    "another file in its place": partial(moved, put=lambda path: path.write_bytes(b"no database " * 1000)),
    "an empty file in its place": partial(moved, put=Path.touch),
}
IN_POSTGRES: dict[str, Hindrance] = {
    "disk full": full_server,
    "no right to write": revoked,
    "clock a day back": day_back,
    "server gone": unreachable,
    "session cut before the row": partial(cut, point="past events read"),
    "session cut before the commit": partial(cut, point="about to commit"),
}

pytestmark = [pytest.mark.evidence, pytest.mark.usefixtures("warm")]


def spend_until_refused(ledger: Ledger, restrict: Restrict, tell: Tell) -> None:
    restrict()
    for _ in range(ATTEMPTS):
        try:
            spend(ledger, NOISE, tell)
        except LedgerError as error:
            tell(f"refused {error}")
            return


def check(where: str, what: str, hindrance: Hindrance, evidence) -> None:
    """Spend, hinder in mid-run, see that it is refused and all is covered, and spend on afterwards."""
    running, told = Ledger(where), []
    running.set_cap(2.0, DELTA)
    spend(running, NOISE, keeper(told))
    with hindrance(where) as restrict:
        lines, code = fork(partial(spend_until_refused, running, restrict)).end()
    assert code == 0
    assert [words[0] for words in lines].count("refused") == 1
    *spent, refusal = lines
    assert refusal[0] == "refused", "nothing is drawn after a refusal, and the error is one line"
    message = " ".join(refusal[1:])
    assert message.startswith(running.where), "it names the ledger"
    assert re.search(OUTCOMES, message)
    assert uncovered(Ledger(where), [*told, *spent]) == []
    spend(running, NOISE, keeper(told))
    assert uncovered(Ledger(where), [*told, *spent]) == []
    assert Ledger(where).verify().ok
    evidence(
        f"{what}, {kind_of(where)}",
        bar="no release without a durable reservation; a clear error",
        measured=f"refused, no noise drawn: {message.replace(running.where, 'LEDGER')}",
    )


@pytest.mark.parametrize("what", IN_SQLITE)
def test_a_hindered_file_lets_nothing_out(tmp_path: Path, what: str, evidence) -> None:
    (tmp_path / "silo").mkdir()
    check(str(tmp_path / "silo" / "ledger.sqlite"), what, IN_SQLITE[what], evidence)


@pytest.mark.parametrize("what", IN_POSTGRES)
def test_a_hindered_server_lets_nothing_out(postgres_url: str, what: str, evidence) -> None:
    check(postgres_url, what, IN_POSTGRES[what], evidence)


@pytest.mark.parametrize("put", [None, Path.touch])
def test_a_ledger_that_vanished_does_not_come_back_empty(tmp_path: Path, put) -> None:
    where = str(tmp_path / "ledger.sqlite")
    Ledger(where).set_cap(2.0, DELTA)
    spend(Ledger(where), NOISE, keeper([]))
    with moved(where, put):
        made_anew = Ledger(where)
        with pytest.raises(LedgerError, match=r"which .* knows, is missing"):
            made_anew.set_cap(2.0, DELTA)
        with pytest.raises(LedgerError, match="nothing was reserved"):
            spend(made_anew, NOISE, keeper([]))


def test_somebody_who_never_ends_their_turn_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, told = Ledger(tmp_path / "ledger.sqlite"), []
    ledger.set_cap(2.0, DELTA)
    monkeypatch.setattr(sqlite, "TURN_SECONDS", 0.05)
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    spend(ledger, NOISE, keeper(told))
    os.close(folder)
    assert [words[0] for words in told] == ["drawn", "left", "committed"]
