"""Learning the hazard of buying again: what each customer sends in a round, and what is made of the sums.

Each round every customer sends the gradient of the log likelihood of what was bought again and what was not,
as seen from a few days of the past; the sums of a few rounds move a public starting point. Both are written
in coordinates in which, on simulated worlds, all directions are equally well known: one bound serves all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Histories
from recsys.features.rhythm import Rhythms, rhythms
from recsys.models.hazard import DIMENSIONS, LEAST_LOG, MOST_LOG, fixed_columns, varying_columns
from recsys.models.rhythm_start import START, WHITEN
from recsys.privacy.clipping import clip_rows, on_grid

CLIP_NORM = 1.0
SCALE = 4.0  # norm of a customer's gradient that makes CLIP_NORM
LENGTH = DIMENSIONS + 1  # the gradient, and how much was bought again
LEAST_PURCHASES = 2  # of a pair, to learn from it
LOOKS = (14, 42, 70, 98, 126)  # days before the end of the data from which the future is looked at
BINS = ((0.0, 3.0), (3.0, 7.0), (7.0, 14.0), (14.0, 30.0), (30.0, 60.0), (60.0, 120.0))
MASS = 0.5  # weight of the number of purchases in what a customer sends
CUSTOMERS_AT_ONCE, ROWS_KEPT = 20_000, 6_000_000

RATE, MOMENTUM = 0.25, 0.5
PRIOR = 0.1  # standard deviation of how far shops are from the starting point, in each coordinate

Floats = NDArray[np.float64]
Look = tuple[NDArray[np.int64], Floats, Floats, NDArray[np.bool_]]


@dataclass(frozen=True)
class Public:
    """What everybody knows before a round. All of it is published or configured.

    usual: float64 [n_items], log of the usual days between purchases; appeals: float64 [n_items]
    used_up: bool [n_items], items that are bought again; end: the first of the shop's days that is not known
    """

    usual: Floats
    appeals: Floats
    used_up: NDArray[np.bool_]
    end: int

    @property
    def key(self) -> str:
        """Tells equal ones from others."""
        parts = (self.usual, self.appeals, self.used_up)
        return sha256(b"".join(part.tobytes() for part in parts) + str(self.end).encode()).hexdigest()


@dataclass(frozen=True)
class Rows:
    """Pairs at risk in spans of days, of some customers.

    starts: int64 [customers], where each customer's rows begin (customers without rows are left out)
    features: float32 [rows, DIMENSIONS], whitened; base: float32 [rows], log expected purchases at the start
    bought: bool [rows], whether the pair was bought in the span; weights: float32 [rows]
    """

    starts: NDArray[np.int64]
    features: NDArray[np.float32]
    base: NDArray[np.float32]
    bought: NDArray[np.bool_]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, h: Histories, public: Public) -> Rows:
        """All rows of these customers. A customer's rows depend on that customer's events alone."""
        parts = list(looks(h, public))
        customers, columns, widths, bought = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = customers.argsort(kind="stable")
        customers = customers[order]
        starts = np.flatnonzero(np.diff(customers, prepend=-1) != 0)
        sizes = np.diff(np.append(starts, len(customers)))
        columns = columns[order]
        return cls(
            starts,
            # Products row by row: what a matrix product makes of a row may depend on the rows around it.
            np.einsum("rk,kj->rj", columns, WHITEN).astype(np.float32),
            (np.einsum("rk,k->r", columns, START) + np.log(widths[order])).astype(np.float32),
            bought[order],
            np.repeat(1.0 / np.sqrt(sizes), sizes).astype(np.float32),
        )

    def gradients(self, moved: Floats) -> Floats:
        """What each customer sends: gradient of the log likelihood, purchases; float64 [customers, LENGTH].

        moved: float64 [DIMENSIONS], how far the parameters are from the start, in whitened coordinates
        """
        if not len(self.starts):
            return np.zeros((0, LENGTH))
        towards = np.einsum("rk,k->r", self.features, moved.astype(np.float32))
        expected = np.exp(np.clip(self.base + towards, LEAST_LOG, MOST_LOG).astype(np.float64))
        # d log(1 - exp(-m)) = m / (exp(m) - 1) for what was bought, d(-m) = -m for what was not; by log m
        slope = np.where(self.bought, expected / np.maximum(np.expm1(expected), 1e-12), -expected)
        sent = np.empty((len(self.bought), LENGTH))
        np.multiply(self.features, (slope * self.weights)[:, None], out=sent[:, :DIMENSIONS])
        sent[:, DIMENSIONS] = MASS * self.bought * self.weights
        return np.asarray(np.add.reduceat(sent, self.starts, axis=0))


class Examples:
    """The customers' rows of one silo, made part by part, and kept between rounds where they are few."""

    def __init__(self, h: Histories, public: Public) -> None:
        self._histories, self._public = h, public
        self._kept: list[Rows] = []
        self._room = ROWS_KEPT

    def contribution(self, moved: Floats) -> Floats:
        """Sum over customers of each one's gradient, scaled and clipped to norm 1; float64 [LENGTH].

        Guarantee: unit one customer with all events, relation add or remove one: adding or removing a
        customer changes the sum by a vector of L2 norm at most 1 (`CLIP_NORM`), whatever and however many the
        events are and whatever `moved` is. It is a raw sum: it may leave the silo only through a noised and
        charged release.
        """
        total = np.zeros(LENGTH)
        with np.errstate(all="ignore"):  # what is not finite becomes zero
            for rows in self._parts():
                total += on_grid(clip_rows(rows.gradients(moved) / SCALE, CLIP_NORM)).sum(axis=0)
        return total

    def _parts(self) -> Iterator[Rows]:
        yield from self._kept
        done = len(self._kept) * CUSTOMERS_AT_ONCE
        for start in range(done, len(self._histories), CUSTOMERS_AT_ONCE):
            few = np.arange(start, min(start + CUSTOMERS_AT_ONCE, len(self._histories)))
            rows = Rows.of(self._histories.select(few), self._public)
            if self._room >= len(rows.bought) and start == len(self._kept) * CUSTOMERS_AT_ONCE:
                self._kept.append(rows)
                self._room -= len(rows.bought)
            yield rows


def contribution(h: Histories, public: Public, moved: Floats) -> Floats:
    """One round's sum over these customers; see `Examples.contribution`, whose guarantee it has."""
    return Examples(h, public).contribution(moved)


def moved_by(sums: Sequence[Floats], stds: Sequence[float], rounds: int) -> Floats:
    """Where the next round's gradients are taken, from the noised sums so far; float64 [DIMENSIONS].

    Gradient ascent with momentum on the posterior: the prior is normal around the public start, and weighs
    more the more noise there is, so that few customers change little. Post-processing: costs no privacy.

    sums: float64 [LENGTH] each; stds: of the noise in each; rounds: how many there will be
    """
    return _path(sums, stds, rounds)[-1]


def published(sums: Sequence[Floats], stds: Sequence[float], rounds: int) -> Floats:
    """The parameters, averaged over the last half of the rounds; float64 [DIMENSIONS]."""
    path = _path(sums, stds, rounds)[1:]
    return parameters(np.mean(path[len(path) // 2 :], axis=0) if path else np.zeros(DIMENSIONS))


def parameters(moved: Floats) -> Floats:
    """Parameters of the hazard, from whitened coordinates."""
    return np.asarray(START + WHITEN @ moved)


def _path(sums: Sequence[Floats], stds: Sequence[float], rounds: int) -> list[Floats]:
    moved, speed, bought = np.zeros(DIMENSIONS), np.zeros(DIMENSIONS), 0.0
    path = [moved]
    for number, (values, std) in enumerate(zip(sums, stds, strict=True), start=1):
        bought += values[DIMENSIONS] / MASS
        doubt = std / MASS / np.sqrt(number)
        mass = max(bought / number, 2.0 * doubt, 1e-12)
        weight = 2.0 * (std / mass) ** 2 / rounds / PRIOR**2
        speed = MOMENTUM * speed + (values[:DIMENSIONS] / mass - weight * moved) / (1.0 + weight)
        moved = moved + RATE * speed
        path.append(moved)
    return path


def looks(h: Histories, public: Public) -> Iterator[Look]:
    """Customers, features, widths in days and outcomes of the rows of every look and span."""
    yield np.zeros(0, np.int64), np.zeros((0, DIMENSIONS)), np.zeros(0), np.zeros(0, bool)
    bought = h.purchases()
    days = bought.baskets()
    bought, days = bought.where(days < public.end), days[days < public.end]
    for ahead in LOOKS:
        day = public.end - ahead
        pairs = rhythms(bought.where(days < day), day, public.usual)
        pairs = pairs.where((pairs.purchases >= LEAST_PURCHASES) & public.used_up[pairs.items])
        following = _next(pairs, bought.where(days >= day), days[days >= day] - day)
        fixed = fixed_columns(pairs, public.appeals)
        for begin, end in BINS:
            if end > ahead:
                break
            risk = np.flatnonzero(following >= begin)
            columns = np.hstack([fixed[risk], varying_columns(pairs.where(risk), begin, end)])
            yield pairs.customers[risk], columns, np.full(len(risk), end - begin), following[risk] < end


def _next(pairs: Rhythms, later: Histories, days: NDArray[np.int64]) -> Floats:
    """Days until each pair is bought next; inf where it is not. float64 [pairs]"""
    size = 1 + max(int(pairs.items.max(initial=0)), int(later.items.max(initial=0)))
    keys, first = np.unique(later.rows * size + later.items, return_index=True)  # oldest first in a customer
    found = np.full(len(pairs), np.inf)
    if len(keys):
        wanted = pairs.customers * size + pairs.items
        place = np.minimum(keys.searchsorted(wanted), len(keys) - 1)
        same = keys[place] == wanted
        found[same] = days[first[place[same]]]
    return found
