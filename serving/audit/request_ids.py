"""Ids that a server gives to requests: who sees the own must not learn how many others there were."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from serving.audit.asgi import Answer, Call
from serving.middleware import REQUEST_ID

COUNT = 12
LEAST_LENGTH = 16
LEAST_APART = 6
"""Places in which two ids differ. Random ids of 16 hexadecimal digits are closer with a chance of 1e-8."""

CALLS = tuple(Call("GET", "/health/live", request_id=None) for _ in range(COUNT))


def faults(one: Sequence[Answer], other: Sequence[Answer]) -> list[str]:
    """What can be told from the ids that two servers gave to `CALLS`: nothing, if they are random.

    A false alarm has a chance of some 1e-8: by closeness, and 2 / 12! of an order by chance.
    """
    ids = [_id_of(answer) for answer in (*one, *other)]
    found = {
        "ids are short": min(map(len, ids)) < LEAST_LENGTH,
        "ids are ordered": any(_ordered(some) for some in (ids[: len(one)], ids[len(one) :])),
        "ids are close to each other": min(_apart(*pair) for pair in combinations(ids, 2)) < LEAST_APART,
    }
    return [what for what, wrong in found.items() if wrong]


def _id_of(answer: Answer) -> str:
    return dict(answer.headers).get(REQUEST_ID.encode(), b"").decode()


def _ordered(ids: Sequence[str]) -> bool:
    return list(ids) in (sorted(ids), sorted(ids, reverse=True))


def _apart(one: str, other: str) -> int:
    return abs(len(one) - len(other)) + sum(a != b for a, b in zip(one, other, strict=False))
