"""Which items a benchmark ranks: the published protocol's list, or one that the run itself pays for.

A private list comes of a training run of its own (the product's path, popularity alone, the whole catalogue,
the same silos and ledgers): the items that the published, noised popularity puts first. The main run gets
what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.quality.private import Settings, merged
from experiments.quality.silos import Budget, Dealt
from experiments.quality.tables import Purchases
from recsys.bundle.store import read_bundle
from recsys.data.history import Ordering
from recsys.models.baselines.popularity import item_counts
from recsys.privacy import accountant
from recsys.privacy.calibration import gaussian_noise, largest_scale
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.plan import PrivacyPlan, calibrate
from recsys.silos.config import FederationConfig
from training.config import MECHANISMS, POPULARITY
from training.plan import make_plan
from training.progress import Progress
from training.run import run_training

LIST_SHARE = 0.05
"""The list's part of the run's mu squared: one sum over all customers needs little."""

Plans = Callable[[float], PrivacyPlan]


class ItemList(StrEnum):
    """How the items of a restricted benchmark are chosen."""

    BENCHMARK = "benchmark"
    PRIVATE = "private"


@dataclass(frozen=True)
class PaidList:
    """A list that was paid for.

    items: int64 [M], catalogue positions, increasing; events: charged to each silo; epsilon: person-level
    """

    items: NDArray[np.int64]
    events: tuple[PrivacyEvent, ...]
    max_silos_per_person: int
    epsilon: float

    def left(self, plans: Plans, budget: Budget) -> float:
        """The largest epsilon whose plan, composed with the list, is within the budget to 0.5 %.

        plans: the plan at an epsilon. Raises PlanError if nothing is left.
        """
        paid = self.events * self.max_silos_per_person

        def whole(epsilon: float) -> float:
            plan = plans(min(epsilon, budget.epsilon))
            return accountant.epsilon(paid + plan.events() * plan.max_silos_per_person, budget.delta)

        guess = budget.epsilon * (1.0 - LIST_SHARE) ** 0.5
        return min(largest_scale(whole, budget.epsilon, guess), budget.epsilon)


def benchmark_list(data: Purchases, items: int) -> NDArray[np.int64]:
    """The `items` most bought items of the whole data set, held-out purchases among them; int64 [items]."""
    counts = item_counts(data.histories, len(data.catalogue))
    return np.argsort(-counts, kind="stable")[:items]


def private_list(
    settings: Settings,
    dealt: Dealt,
    budget: Budget,
    items: int,
    *,
    seed: int,
    output: Path,
    progress: Progress,
) -> PaidList:
    """Train popularity alone in the silos, and keep the `items` items that it puts first.

    dealt: silos over the whole catalogue with the training side alone, so the list sees no held-out purchase.
    The charge is in the silos' ledgers, where the main run adds its own. Errors: those of `run_training`.
    """
    shares = dict.fromkeys(MECHANISMS, 0.0) | {POPULARITY: 1.0}
    alone = Settings(
        merged(settings.values, {"privacy": {"shares": shares}, "fusion": {"titles": 0.0}}), settings.source
    )
    small = Budget(_list_epsilon(dealt, budget), budget.delta)
    trained = run_training(alone.training(dealt, small, seed=seed, output=output), progress=progress)
    log_popularity = read_bundle(trained.bundle_folder).log_popularity
    chosen = np.sort(np.argsort(-log_popularity, kind="stable")[:items])
    bound = dealt.max_silos_per_person
    return PaidList(chosen, trained.plan.events(), bound, float(trained.report["person_epsilon"]))


def _list_epsilon(dealt: Dealt, budget: Budget) -> float:
    """The epsilon of a sum that costs the list's share of what one sum could cost at the whole budget."""
    whole = calibrate(
        target_epsilon=budget.epsilon,
        delta=budget.delta,
        max_silos_per_person=dealt.max_silos_per_person,
        registered_customers=dict.fromkeys(dealt.names, 1),
        shares={POPULARITY: 1.0},
        clip_norms={POPULARITY: 1.0},
    )
    mu = LIST_SHARE**0.5 / whole.release(POPULARITY).event.noise_multiplier
    event = PrivacyEvent(gaussian_noise(mu * mu))
    return accountant.epsilon((event,) * dealt.max_silos_per_person, budget.delta)


def product_plans(settings: Settings, dealt: Dealt, budget: Budget, ordering: Ordering) -> Plans:
    """The plan that the product's run makes in these silos, by epsilon."""
    federation = FederationConfig.load(dealt.federation)
    registered = {silo.name: silo.registered_customers for silo in federation.silo_configs()}
    catalogue = federation.read_catalogue()

    def plan(epsilon: float) -> PrivacyPlan:
        config = settings.training(dealt, Budget(epsilon, budget.delta), seed=0, output=Path())
        return make_plan(
            config,
            catalogue,
            registered_customers=registered,
            max_silos_per_person=dealt.max_silos_per_person,
            timestamps=ordering is Ordering.TIMESTAMP,
        )

    return plan


def list_note(data: Purchases, paid: PaidList, budget: Budget) -> str:
    """What the reader has to know of a private list; the shares are exact, for research data alone."""
    counts = item_counts(data.histories, len(data.catalogue))
    published = benchmark_list(data, len(paid.items))
    shared = len(np.intersect1d(paid.items, published)) / len(paid.items)
    held, most = (counts[items].sum() / counts.sum() for items in (paid.items, published))
    return (
        f"item list: the {len(paid.items):,} items that a first private run, popularity alone over all "
        f"{len(data.catalogue):,} items and the training customers, puts first (epsilon {paid.epsilon:.3f} "
        f"of the {budget.epsilon:g}, in the same ledgers); all methods rank these; they hold {held:.1%} of "
        f"all purchases, the benchmark list of the same length {most:.1%}, and {shared:.1%} are in both"
    )
