"""Consent, and the only maker of consented interactions: no other code can build one.

`Dataset` accepts nothing but `Consented[...]`, so a row reaches a model only through the two functions here.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from enum import StrEnum
from typing import Generic, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.codes import positions
from recsys.data.history import SIGNALS
from recsys.errors import ConfigError
from recsys.words import counted


class Purpose(StrEnum):
    """What a customer consented to."""

    TRAINING = "training"
    PERSONALISATION = "personalisation"


class Training:
    """Marks data that may train shared models."""


class Personalisation:
    """Marks data that may answer the customer it is about, and nobody else."""


P = TypeVar("P")

_MAKER = object()


@dataclass(frozen=True)
class Consented(Generic[P]):
    """Interactions whose customers agreed to a purpose, and the rows of just these customers.

    Made by `consented_for_training` and `consented_for_personalisation` alone; TypeError elsewhere.
    """

    interactions: pa.Table
    customers: pa.Table
    purpose: Purpose
    maker: InitVar[object]

    def __post_init__(self, maker: object) -> None:
        if maker is not _MAKER:
            raise TypeError(
                "Consented is made only by consented_for_training and consented_for_personalisation; "
                "call one of them"
            )


def consented_for_training(
    interactions: pa.Table, customers: pa.Table, *, max_silos_per_person: int, silos: int
) -> Consented[Training]:
    """The rows of customers who consent to training, in the order given; ConfigError for impossible bounds.

    interactions, customers: checked tables; max_silos_per_person: public bound of the plan; silos: how many
    silos train together. Where the bound is below the number of silos, a customer stays only with a
    `person_rank` (the silo's place in that person's identity agreement) within the bound; one without a rank
    is dropped, because nobody can say how many silos that person is in. Device signals and the answers to
    them (`SIGNALS`) are dropped too: they are taken in for the customer's own reminders alone.

    Guarantee: unit one customer, relation add or remove one customer. Whether a row stays depends on its own
    customer's consent and rank and on public constants alone, so removing one customer removes exactly that
    customer's rows and changes no other (a stability of 1). A person's records enter at most
    `max_silos_per_person` silos, provided that the ranks of one person differ between silos (the identity
    agreement), that they stay as they are for the ledgers' lifetime, and that `person_key` is unique within a
    silo, which the operator's check names. Two customers who share one both stay, for neither may decide
    about the other: that person has the guarantee of a group of two, as the privacy statement says.
    """
    if max_silos_per_person < 1 or silos < 1:
        raise ConfigError(
            f"max_silos_per_person = {max_silos_per_person} with {counted(silos, 'silo')}; "
            "both must be at least 1"
        )
    keep = pc.fill_null(customers["consent_training"], False)
    if max_silos_per_person < silos:
        within = pc.less_equal(customers["person_rank"], max_silos_per_person)
        keep = pc.and_(keep, pc.fill_null(within, False))
    return _make(_without_signals(interactions), customers.filter(keep), Purpose.TRAINING)


def consented_for_personalisation(interactions: pa.Table, customers: pa.Table) -> Consented[Personalisation]:
    """The rows of customers who consent to personalisation, in the order given.

    Guarantee: none towards the customers themselves, whose own rows answer them (joint differential privacy);
    nothing made from these rows may be shared with, or shown to, anybody else.
    """
    keep = pc.fill_null(customers["consent_personalisation"], False)
    return _make(interactions, customers.filter(keep), Purpose.PERSONALISATION)


def _without_signals(interactions: pa.Table) -> pa.Table:
    if "event" not in interactions.column_names:
        return interactions
    signals = positions(interactions["event"], pa.array([event.value for event in SIGNALS])) >= 0
    return interactions.filter(pa.array(~signals)) if signals.any() else interactions


def _make(interactions: pa.Table, customers: pa.Table, purpose: Purpose) -> Consented[P]:
    ids = customers["customer_id"].combine_chunks()
    rows = interactions.filter(pa.array(positions(interactions["customer_id"], ids) >= 0))
    return Consented(rows, customers, purpose, _MAKER)
