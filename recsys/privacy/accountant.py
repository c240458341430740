"""Epsilon of composed events: tight and pessimistic (privacy loss distributions), cached.

Guarantee: every number is an upper bound on the epsilon of the composition at delta, for one customer under
add-or-remove-one, for Gaussian noise and Poisson sampling. It assumes that noise, samples and steps are fresh
and independent, as `recsys.privacy.mechanisms` draws them. Source: Koskela et al. (2020), Doroshenko et al.
(2022), as implemented in dp_accounting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import combinations

from recsys.privacy import checks, rdp
from recsys.privacy.events import PrivacyEvent

MAX_CHOICES = 500
# Above these a promise means nothing, or the grid of losses grows too large: the Rényi bound is given. It can
# be seven times the truth where it is above 300, so what it says there is no reason to stop.
PLD_CEILING = 10_000.0
MAX_STEPS = 1_000_000
GRID_POINTS, MAX_GRID_POINTS, STEP_POINTS = 4_000, 200_000, 12_000

# What the slow accountant has answered, by delta: a part of a composition costs no more than the whole.
_known: dict[float, dict[tuple[PrivacyEvent, ...], float]] = {}

Events = Mapping[PrivacyEvent, int] | Iterable[PrivacyEvent]


def canonical(events: Events) -> tuple[PrivacyEvent, ...]:
    """The same composition in its one canonical form: equal steps counted together, plain Gaussians merged.

    A mapping gives each event's number of repetitions. Plain Gaussians compose exactly to one whose
    1 / noise_multiplier^2 is the sum of theirs.
    """
    pairs = events.items() if isinstance(events, Mapping) else ((event, 1) for event in events)
    steps: dict[tuple[float, float], int] = {}
    for event, copies in pairs:
        key = (event.noise_multiplier, event.sampling_rate)
        steps[key] = steps.get(key, 0) + event.steps * checks.count("repetitions", copies)
    sampled = [PrivacyEvent(noise, rate, n) for (noise, rate), n in sorted(steps.items()) if rate < 1.0]
    plain = [(noise, n) for (noise, rate), n in sorted(steps.items()) if rate == 1.0]
    return (*sampled, PrivacyEvent(_merged_noise(plain))) if plain else tuple(sampled)


def _merged_noise(plain: list[tuple[float, int]]) -> float:
    """The noise multiplier of these plain Gaussians (noise, times) together, rounded towards less noise."""
    if len(plain) == 1 and plain[0][1] == 1:
        return plain[0][0]
    precision = math.fsum(times / noise / noise for noise, times in plain)
    return max(math.nextafter(precision**-0.5, 0.0), checks.SMALLEST)


def epsilon(events: Events, delta: float) -> float:
    """Epsilon at delta of the composed events: never below the truth, cached by multiset; 0 for no events."""
    return _epsilon(canonical(events), checks.delta_value(delta))


def rdp_epsilon(events: Events, delta: float) -> float:
    """A fast upper bound on epsilon at delta by Rényi accounting; usually 5 to 15 % above `epsilon`."""
    return rdp.rdp_epsilon(canonical(events), checks.delta_value(delta))


def within(events: Events, cap: float, delta: float) -> bool:
    """Whether epsilon at delta is at most cap; the slow accountant runs only if the Rényi bound is not."""
    composed = canonical(events)
    if rdp.rdp_epsilon(composed, checks.delta_value(delta)) <= cap:
        return True
    if any(value <= cap and _is_part(composed, whole) for whole, value in _known.get(delta, {}).items()):
        return True
    return _epsilon(composed, delta) <= cap


def person_epsilon(
    by_silo: Mapping[str, Sequence[PrivacyEvent]],
    max_silos: int,
    delta: float,
    measure: Callable[[Events, float], float] | None = None,
) -> float:
    """Epsilon of a person who may be in up to `max_silos` silos: the worst choice of silos, composed.

    With more than 500 choices all silos are composed, which is never less. measure: `epsilon` (default) or
    `rdp_epsilon`.

    Guarantee: person-level if no person's records are used in more than `max_silos` silos (a public constant,
    enforced before training) and if a person has one key in each silo.
    """
    names = sorted(by_silo)
    size = min(checks.count("max_silos_per_person", max_silos), len(names))
    if math.comb(len(names), size) > MAX_CHOICES:
        size = len(names)
    choices = {canonical(e for name in chosen for e in by_silo[name]) for chosen in combinations(names, size)}
    return max(((measure or epsilon)(choice, delta) for choice in choices), default=0.0)


@lru_cache(maxsize=4096)
def _epsilon(events: tuple[PrivacyEvent, ...], delta: float) -> float:
    bound = rdp.rdp_epsilon(events, delta)
    if not events or bound > PLD_CEILING or max(event.steps for event in events) > MAX_STEPS:
        return bound
    try:
        tight = _pld_epsilon(events, delta, _interval(events, bound, delta))
    except (ValueError, ArithmeticError):  # the grid cannot hold extreme rates, such as 1e-12
        return bound
    # Both are upper bounds, so the lesser is one too; a failure of the slow one never shows as a small
    # number.
    result = max(0.0, min(tight, bound)) if math.isfinite(tight) else bound
    _known.setdefault(delta, {})[events] = result
    return result


def _is_part(events: tuple[PrivacyEvent, ...], whole: tuple[PrivacyEvent, ...]) -> bool:
    """Whether `whole` composes all of `events` and maybe more, so that its epsilon is no less."""
    steps = {(event.noise_multiplier, event.sampling_rate): event.steps for event in whole}
    plain = min((event.noise_multiplier for event in whole if event.sampling_rate == 1.0), default=math.inf)
    return all(
        event.noise_multiplier >= plain
        if event.sampling_rate == 1.0
        else event.steps <= steps.get((event.noise_multiplier, event.sampling_rate), 0)
        for event in events
    )


def _pld_epsilon(events: tuple[PrivacyEvent, ...], delta: float, interval: float) -> float:
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant

    accountant = PLDAccountant(value_discretization_interval=interval)
    for event in events:
        release = GaussianDpEvent(event.noise_multiplier)
        if event.sampling_rate < 1.0:
            release = PoissonSampledDpEvent(event.sampling_rate, release)
        accountant.compose(release, event.steps)
    return float(accountant.get_epsilon(delta))


def _interval(events: tuple[PrivacyEvent, ...], bound: float, delta: float) -> float:
    """The grid of losses: fine against the total loss and against one step's, at a bounded number of points.

    Only speed and tightness hang on it: the accountant rounds pessimistically on any grid.
    """
    mu = math.sqrt(math.fsum(clt_mu_squared(event) for event in events))
    scale = min(bound, mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta)))
    step = min(event.sampling_rate / event.noise_multiplier for event in events)
    widest = max(_largest_loss(event) for event in events)
    interval = max(min(scale / GRID_POINTS, step / 4), scale / MAX_GRID_POINTS, widest / STEP_POINTS)
    return float(2.0 ** math.floor(math.log2(max(interval, 1e-9))))


def _largest_loss(event: PrivacyEvent) -> float:
    """The loss of one sampled step at 8.3 standard deviations; 0 for plain Gaussians, whose grid is quick."""
    if event.sampling_rate == 1.0:
        return 0.0
    loss = (0.5 + 8.3 * event.noise_multiplier) / event.noise_multiplier**2
    return math.log1p(event.sampling_rate * math.expm1(min(loss, 700.0)))


def clt_mu_squared(event: PrivacyEvent) -> float:
    """Squared mu of Gaussian DP that the event tends to: T q^2 (exp(1 / sigma^2) - 1) (Bu et al. 2020).

    Exact, T / sigma^2, for the plain Gaussian. For splitting and scaling only, never for a claim.
    """
    inverse = 1 / event.noise_multiplier**2
    if event.sampling_rate == 1.0:
        return event.steps * inverse
    return event.steps * event.sampling_rate**2 * math.expm1(min(inverse, 700.0))
