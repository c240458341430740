"""The run's privacy plan: calibrated once from public numbers, kept in the run folder, sent to every silo."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.data.vocab import Catalogue
from recsys.models.category_scope import check_excluded, usable_categories
from recsys.models.season_fit import LEAST_CATEGORIES
from recsys.privacy.plan import PrivacyPlan, calibrate
from training.checkpoint import RunFolder
from training.config import (
    DEMAND,
    FOLLOWUPS,
    POPULARITY,
    RHYTHM,
    SEASON,
    TIMED,
    TOWERS,
    TrainingConfig,
)
from training.local import BOUNDS

PLAN = "plan.json"


def plan_of(
    folder: RunFolder,
    config: TrainingConfig,
    catalogue: Catalogue,
    *,
    registered_customers: Mapping[str, int],
    max_silos_per_person: int,
    timestamps: bool,
) -> PrivacyPlan:
    """The plan that the run was begun with, or a new one; see `make_plan`."""
    if folder.has(PLAN):
        return PrivacyPlan.from_json((folder.path / PLAN).read_text(encoding="utf-8"))
    plan = make_plan(
        config,
        catalogue,
        registered_customers=registered_customers,
        max_silos_per_person=max_silos_per_person,
        timestamps=timestamps,
    )
    folder.write_text(PLAN, plan.to_json())
    return plan


def make_plan(
    config: TrainingConfig,
    catalogue: Catalogue,
    *,
    registered_customers: Mapping[str, int],
    max_silos_per_person: int,
    timestamps: bool,
) -> PrivacyPlan:
    """The plan of a run with this configuration, from public numbers alone.

    timestamps: whether any silo's interactions have them; without, purchase intervals, rhythms, follow-ups
    and metrics are left out and their share goes to the other mechanisms; so are rhythms, seasons and
    demand where nobody said up to when the data are complete, seasons where the catalogue has too few
    categories to tell them apart, and follow-ups where it has no two.
    Raises PlanError if the target cannot be met, ConfigError for an excluded category that does not exist.
    """
    check_excluded(config.followups.exclude, catalogue, "'followups.exclude'")
    privacy, out = config.privacy, left_out(config, catalogue, timestamps=timestamps)
    shares = privacy.shares.without(*out) if out else privacy.shares
    return calibrate(
        target_epsilon=privacy.epsilon,
        delta=privacy.delta,
        max_silos_per_person=max_silos_per_person,
        registered_customers=registered_customers,
        shares=shares.as_dict(),
        clip_norms=clip_norms(config),
        sampling_rate=config.towers.sampling_rate,
        steps=config.towers.steps,
        rounds={RHYTHM: config.rhythm.rounds, POPULARITY: config.popularity.rounds},
    )


def left_out(config: TrainingConfig, catalogue: Catalogue, *, timestamps: bool) -> dict[str, str]:
    """Mechanisms that a run does without although they may have a share, and why."""
    out: dict[str, str] = {}
    if usable_categories(catalogue, config.followups.exclude) < 2:
        out[FOLLOWUPS] = "the catalogue has no two categories to look at"
    if usable_categories(catalogue) < LEAST_CATEGORIES:
        out[SEASON] = f"the catalogue has fewer than {LEAST_CATEGORIES} categories to tell seasons apart by"
    if config.known_until is None:
        why = "nobody said up to when the data are complete; set 'until' or 'rhythm.as_of'"
        out |= dict.fromkeys((RHYTHM, SEASON, DEMAND), why)
    if not timestamps:
        out |= dict.fromkeys(TIMED, "no silo's interactions have timestamps")
    return out


def clip_norms(config: TrainingConfig) -> dict[str, float]:
    """The L2 bound of one customer's contribution, by mechanism; only that of the towers is a setting."""
    return BOUNDS | {TOWERS: config.towers.clip_norm}
