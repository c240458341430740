"""Who is in a step of the towers: seen where losses are computed, against the rate that was charged."""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, chi2, hypergeom, norm

from recsys.privacy.mechanisms import SecureNoise
from recsys.privacy.plan import DpSgdPlan, PrivacyPlan
from training import loading
from training.audit.checks.bench import bench
from training.audit.checks.subject import Subject
from training.audit.finding import Finding
from training.batches import usable_rows
from training.objective import Objective

FALSE_ALARM = 1e-8  # of one comparison
STEPS, WATCHED = 64, 20
SOME = DpSgdPlan(clip_norm=0.3, noise_multiplier=60.0, sampling_rate=0.2, steps=STEPS)

Example = frozenset[int]
"""A customer, known by the set of own items."""


def sampling() -> list[Finding]:
    """Inclusions over many steps: rate, spread of batch sizes, spread over customers, examples of each.

    Poisson sampling makes inclusions independent coins: N inclusions are binomial at the charged rate, batch
    sizes vary by N q (1 - q), and so do a customer's inclusions over steps. A shuffled or a fixed-size batch
    has no such variance (Chua et al. 2024).
    """
    world = bench()
    subject, seen = Subject(world), list[Counter[Example]]()
    known = _customers(subject)
    with patch.object(Objective, "losses", _watched(seen)):
        for _ in subject.steps(world.plan(SOME), STEPS):
            pass
    counts = np.array([[step[customer] for customer in known] for step in seen])
    event = subject.charges()[-1].event
    return _compared(counts, event.sampling_rate if event else np.nan)


def independence_of_samples() -> list[Finding]:
    """Whether who is in one step says who is in another: of the next steps, another attempt, another silo.

    And whether one customer's being there says that of another, by places.
    """
    world = bench()
    plan, first = world.plan(SOME), Subject(world)
    once, again = _places(first, plan, 1), _places(first, plan, 2)
    restarted, elsewhere = _places(Subject(world), plan, 1), _places(Subject(world, silo=1), plan, 1)
    late = {f"{lag} steps later": (once[:-lag], once[lag:]) for lag in (1, 2, 3, 5)}
    pairs = late | {
        "another attempt": (once, again),
        "a restarted node": (once, restarted),
        "another silo": (once, elsewhere),
    }
    beside = {f"the customer {by} places on": (once[:, :-by], once[:, by:]) for by in (1, 2, 3)}
    together = {f"in that of {words}": pair for words, pair in pairs.items()} | beside
    found = [_together(words, one, other, SOME.sampling_rate) for words, (one, other) in together.items()]
    return [*found, _most_alike(np.concatenate([once, again, restarted]))]


def _places(subject: Subject, plan: PrivacyPlan, attempt: int) -> NDArray[np.bool_]:
    """Who was chosen, by place among the silo's customers; [steps, customers]."""
    chosen, real = list[NDArray[np.bool_]](), SecureNoise.poisson_sample

    def watched(self: SecureNoise, n: int, rate: float) -> NDArray[np.int64]:
        found = real(self, n, rate)
        chosen.append(np.isin(np.arange(n), found))
        return found

    with patch.object(SecureNoise, "poisson_sample", watched):
        for _ in subject.steps(plan, WATCHED, attempt=attempt):
            pass
    return np.array(chosen)


def _together(words: str, one: NDArray[np.bool_], other: NDArray[np.bool_], rate: float) -> Finding:
    """How many customers are in both: a sum of independent products of coins, near enough to normal."""
    n = min(one.shape[1], other.shape[1])
    both, cells = int((one[:, :n] & other[:, :n]).sum()), one[:, :n].size
    # Products of a step with the next share coins: twice their covariance is more than there is elsewhere.
    spread = (cells * (rate**2 * (1 - rate**2) + 2 * rate**3 * (1 - rate))) ** 0.5
    most = float(norm.isf(FALSE_ALARM / 2)) * spread
    apart = abs(both - cells * rate**2)
    told = f"{both} customers are in a step and {words}; chance allows "
    told += f"{cells * rate**2:.0f} +- {most:.0f}"
    return Finding("samples", apart <= most, apart, most, told)


def _most_alike(chosen: NDArray[np.bool_]) -> Finding:
    """The two steps with the most customers in both: given their sizes, a hypergeometric number."""
    customers, sizes = chosen.shape[1], chosen.sum(axis=1)
    one, other = np.triu_indices(len(chosen), 1)
    both = (chosen.astype(np.int64) @ chosen.T)[one, other]
    odds = len(one) * hypergeom.sf(both - 1, customers, sizes[one], sizes[other])
    worst = int(odds.argmin())
    told = f"of {len(one)} pairs of steps the most alike have {both[worst]} customers in both, by chance "
    measured = min(1.0, float(odds[worst]))
    return Finding("samples", measured >= FALSE_ALARM, measured, FALSE_ALARM, f"{told}{measured:.2g}")


def _watched(seen: list[Counter[Example]]) -> Any:
    """Losses that note the examples they are computed for; a step of this world is one physical batch."""
    real = Objective.losses

    def losses(self: Objective, score: Any, batch: Any) -> Any:
        seen.append(Counter(_examples(batch)))
        return real(self, score, batch)

    return losses


def _examples(batch: Any) -> list[Example]:
    rows = np.where(batch.is_own.numpy(), batch.history.numpy(), -1)
    return [frozenset(row[row >= 0].tolist()) for row in rows]


def _customers(subject: Subject) -> list[Example]:
    """The silo's customers who can be learned from and whom no other customer resembles."""
    world, federation = subject.world, subject.world.federation
    sequences = loading.load(
        subject.node.silo,
        world.catalogue,
        world.settings,
        max_silos_per_person=federation.max_silos_per_person,
        silos=len(federation.silos),
    ).sequences
    weights = sequences.weights.astype(np.float64)
    usable = sequences.ids[usable_rows(sequences.ids, weights, len(world.catalogue))]
    sets = Counter(frozenset(row[row >= 0].tolist()) for row in usable)
    return [customer for customer, times in sets.items() if times == 1]


def _compared(counts: NDArray[np.int64], rate: float) -> list[Finding]:
    """counts: examples of each customer in each step, [steps, customers]."""
    steps, customers = counts.shape
    most = int(counts.max())
    inside = counts > 0
    coin = rate * (1 - rate)
    sizes = float(inside.sum(axis=1).var(ddof=1)) / (customers * coin)
    each = float(np.square(inside.sum(axis=0) - steps * rate).sum()) / (steps * coin)
    low, high = binom.ppf([FALSE_ALARM / 2, 1 - FALSE_ALARM / 2], counts.size, rate) / counts.size
    measured = float(inside.mean())
    words = f"a customer is in a step with chance {measured:.4f}; charged for {rate:g}"
    return [
        Finding("sampling", bool(low <= measured <= high), measured, rate, words),
        Finding("sampling", most <= 1, most, 1, f"a customer is {most} examples of one step at most"),
        _spread("batch sizes vary", sizes, steps - 1),
        _spread("customers' inclusions vary", each / customers, customers),
    ]


def _spread(what: str, measured: float, freedom: int) -> Finding:
    low, high = (chi2.ppf(p, freedom) / freedom for p in (FALSE_ALARM / 2, 1 - FALSE_ALARM / 2))
    words = f"{what} by {measured:.3f} of a Poisson sample's variance; chance allows {low:.2f} to {high:.2f}"
    return Finding("sampling", bool(low <= measured <= high), measured, float(low), words)
