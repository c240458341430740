"""From a plan and what the ledgers recorded to the privacy statement of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys.privacy import accountant
from recsys.privacy.charge import ACCOUNTANT, NOISE_SOURCE
from recsys.privacy.charged import Charged, events_of
from recsys.privacy.events import PrivacyEvent
from recsys.privacy.ledger import Ledger
from recsys.privacy.ledger_provenance import installed_version
from recsys.privacy.person import Person, person_of
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.statement import ASSUMPTIONS, DataKind, MechanismNote, PrivacyStatement
from recsys.words import counted

Spent = Mapping[str, Ledger] | Mapping[str, Sequence[Charged]] | Mapping[str, Sequence[PrivacyEvent]]


def statement(
    plan: PrivacyPlan,
    spent: Spent,
    *,
    data_kind: DataKind,
    heads: Mapping[str, str] | None = None,
    void: Sequence[str] = (),
    unconfirmed_silos: Sequence[str] = (),
    silo_rule: str | None = None,
) -> PrivacyStatement:
    """The statement of the model that this plan made.

    spent: each silo's ledger, or each silo's charges as the silo or a mirror reports them; bare events
        count as charged to all silos that are known
    heads: the ledgers' heads, taken from the ledgers themselves if they are given
    unconfirmed_silos: those whose own ledger was not heard at the end, or says less than is known of it, so
        that `spent` holds a bound for them
    void: how what ran differs from what was assumed; with any such line the statement promises nothing
    silo_rule: the public rule by which nobody is in more silos than the plan says, if there is one

    Guarantee: epsilon covers every recorded release of every silo. A silo of the plan without any record is
    counted as if it had released all that the plan allows: a lost receipt never makes the claim smaller. A
    silo of an earlier federation that rows name counts too, with a bound on what it spent.
    """
    ledgers = {silo: source for silo, source in spent.items() if isinstance(source, Ledger)}
    recorded = {silo: _charged(source) for silo, source in spent.items()}
    whole = planned(plan)
    by_silo = {silo: recorded.get(silo) or whole for silo in {*recorded, *plan.registered_customers}}
    person = person_of(by_silo, plans={frozenset(plan.registered_customers): plan.max_silos_per_person})
    return PrivacyStatement(
        epsilon=person.epsilon(plan.delta),
        delta=plan.delta,
        rdp_epsilon=person.epsilon(plan.delta, accountant.rdp_epsilon),
        run_epsilon=plan.epsilon(),
        max_silos_per_person=person.max_silos_per_person,
        silo_epsilons={
            silo: accountant.epsilon(events_of(by_silo[silo]), plan.delta) for silo in sorted(by_silo)
        },
        heads=dict(
            sorted({**{silo: ledger.head() for silo, ledger in ledgers.items()}, **(heads or {})}.items())
        ),
        mechanisms=_notes(plan),
        data_kind=DataKind(data_kind),
        plan_fingerprint=plan.fingerprint(),
        unit=plan.unit,
        relation=plan.relation,
        accountant=f"{ACCOUNTANT} {installed_version('dp-accounting')}",
        noise_source=NOISE_SOURCE,
        void=tuple(void),
        unconfirmed_silos=tuple(unconfirmed_silos),
        assumptions=_assumptions(person, silo_rule),
    )


def planned(plan: PrivacyPlan, run_id: str = "") -> list[Charged]:
    """All that the plan promises to spend in a silo, as one run would charge it."""
    silos, most, events = frozenset(plan.registered_customers), plan.max_silos_per_person, plan.events()
    return [Charged(run_id, event, silos, most, events) for event in events]


def _charged(source: Ledger | Sequence[Charged] | Sequence[PrivacyEvent]) -> list[Charged]:
    if isinstance(source, Ledger):
        return list(source.charges())
    return [one if isinstance(one, Charged) else Charged("", one) for one in source]


def _assumptions(person: Person, silo_rule: str | None) -> tuple[str, ...]:
    lines = list(ASSUMPTIONS)
    if silo_rule is not None:
        most = counted(person.max_silos_per_person, "silo")
        lines.append(f"Nobody is in more than {most}, by a public rule: {silo_rule}.")
    if person.not_given:
        lines.append(
            "Earlier runs of these silos had others beside them, which spent no more in each than the silo "
            f"that spent most, or the whole plan: {', '.join(person.not_given)}."
        )
    return tuple(lines)


def _notes(plan: PrivacyPlan) -> tuple[MechanismNote, ...]:
    clips = {release.name: release.clip_norm for release in plan.releases}
    if plan.dpsgd is not None:
        clips[plan.dpsgd.name] = plan.dpsgd.clip_norm
    return tuple(
        MechanismNote(name, clips[name], event.noise_multiplier, event.sampling_rate, event.steps)
        for name, event in plan.mechanisms().items()
    )
