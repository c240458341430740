"""Two servers over neighbouring silos are asked the same by all other customers, and must say the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from recsys.data.contracts import Table
from recsys.errors import ConfigError
from recsys.silos.config import SiloConfig
from serving.audit.asgi import Answer
from serving.audit.collisions import event_ids_of, posted
from serving.audit.copies import add_newest, copied
from serving.audit.lists import has_list, rows_of_others
from serving.audit.questions import METRICS, Question, grown, of_anybody, of_customer, untimed
from serving.audit.request_ids import CALLS, faults
from serving.audit.world import Server

ITEMS = 3
MOST_CUSTOMERS = 8
Finding = tuple[bool, str]


def neighbours_at_the_server(
    bundle: Path,
    silo: Path,
    neighbour: Path,
    gone: str,
    *,
    now: datetime | None = None,
    most: int = MOST_CUSTOMERS,
    restart: bool = True,
) -> list[Finding]:
    """Whether what is told to other customers depends on one: (held, what was seen), by kind of question.

    Both silos are served from copies of their event stores and nothing of them is changed. At most `most` of
    the other customers ask for all that the API has, post events under ids of the missing customer's, ask
    again, and with `restart` once more after one. The missing customer has asked the same before them, and
    has the newest event. Answers are compared byte for byte, without what is the missing customer's own (rows
    of that customer in a page of all due lists) and without how long things took; what is logged, where the
    clock of a demonstration starts and the due list as a file are compared too. Ids of requests are looked at
    by themselves.

    bundle: its folder; silo, neighbour: each a silo.toml, the second without `gone`; now: the moment at which
    both clocks stand, aware (default: `data_until` of the first silo, or the clock).
    Raises what a server that does not start raises, and ConfigError if `gone` is still in the second.
    """
    moment = now or SiloConfig.load(silo).data_until or datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="neighbours-") as folder:
        places = [
            copied(path, Path(folder) / name) for path, name in ((silo, "with"), (neighbour, "without"))
        ]
        ids = event_ids_of(places[0], gone)
        add_newest(places[0], gone, _any_item(places[0]), moment)
        found = _Findings()
        for start, name in enumerate(("", ", after a restart") if restart else ("",)):
            servers = [Server(bundle, place, moment) for place in places]
            try:
                _compare(servers, gone, ids if not start else (), moment, found, most, name)
            finally:
                for server in servers:
                    server.close()
        model = servers[1].state.bundle
        if has_list(model, places[1]):
            lists = [rows_of_others(model, place, gone, moment) for place in places]
            found.add("due list as a file", "rows of the others", *lists)
        return found.told()


class _Findings:
    """Counts of questions by kind, and the first that was answered otherwise."""

    def __init__(self) -> None:
        self._asked: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, kind: str, where: str, one: object, other: object) -> None:
        self._asked[kind] = self._asked.get(kind, 0) + 1
        if one != other:
            self._first.setdefault(kind, where)

    def told(self) -> list[Finding]:
        return [
            (True, f"{kind}: {count} alike")
            if kind not in self._first
            else (False, f"{kind}: depends on another customer, first at {self._first[kind]}")
            for kind, count in self._asked.items()
        ]


def _compare(
    servers: Sequence[Server],
    gone: str,
    ids: Sequence[str],
    now: datetime,
    found: _Findings,
    most: int,
    when: str,
) -> None:
    state = servers[1].state
    others = state.profiles.customers()
    if gone in others:
        raise ConfigError(f"customer {gone!r} is in the second silo too; take all of the customer's rows out")
    found.add("clock", f"the start{when}", *(server.started_at for server in servers))
    chosen = others[:: max(1, -(-len(others) // most))]
    items = [state.catalogue.item_ids[place] for place in np.flatnonzero(state.assortment.sold)[:ITEMS]]
    questions = [*_asked(chosen, others, items)]
    if ids:
        consenting = {one for one in chosen if state.profiles.consent(one)}
        questions += [*posted(chosen, consenting, gone, ids, items, now), *questions]
    questions += of_anybody(items)
    before = _after_the_missing_one(servers, gone, items, found, when)
    answers = [server.ask(question.call for question in questions) for server in servers]
    for question, one, other in zip(questions, *answers, strict=True):
        where = f"{question.call.method} {question.call.path}{when}"
        found.add(question.kind, where, question.seen(one), question.seen(other))
    found.add("metrics", f"what was counted{when}", *map(grown, before, _metrics(servers)))
    wrong = faults(*(server.ask(CALLS) for server in servers))
    found.add("request ids", f"{', '.join(wrong)}{when}", wrong, [])
    found.add("logs", f"what was logged{when}", servers[0].logs, servers[1].logs)


def _after_the_missing_one(
    servers: Sequence[Server], gone: str, items: Sequence[str], found: _Findings, when: str
) -> list[Answer]:
    """The metrics once the missing customer, nobody to the second server, has asked all that others ask."""
    found.add("metrics", f"the start{when}", *map(untimed, _metrics(servers)))
    for server in servers:
        server.ask(question.call for question in of_customer(gone, None, items))
    return _metrics(servers)


def _metrics(servers: Sequence[Server]) -> list[Answer]:
    return [answer for server in servers for answer in server.ask([METRICS])]


def _any_item(silo: Path) -> str:
    return str(SiloConfig.load(silo).base_silo().read(Table.ITEMS)["item_id"][0].as_py())


def _asked(chosen: Sequence[str], others: Sequence[str], items: Sequence[str]) -> Iterator[Question]:
    before = dict(zip(others[1:], others, strict=False))
    for customer in chosen:
        yield from of_customer(customer, before.get(customer), items)
