"""From a folder to the stage that all methods share: data, split, item list, silos on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.quality.item_list import ItemList, PaidList, benchmark_list, list_note, private_list
from experiments.quality.private import Settings
from experiments.quality.protocols import split
from experiments.quality.silos import Budget, Dealt, Membership, by_column, by_customer, deal
from experiments.quality.tables import Purchases, read_purchases
from experiments.quality.trial import Trial
from training.progress import Progress

if TYPE_CHECKING:
    from experiments.quality.options import QualityOptions


@dataclass(frozen=True)
class Stage:
    """What all methods share.

    budget: of the whole run; paid: the item list, where it was chosen privately out of that budget
    """

    data: Purchases
    trial: Trial
    dealt: Dealt
    settings: Settings
    budget: Budget
    paid: PaidList | None = None
    notes: tuple[str, ...] = ()


def prepare(options: QualityOptions, work: Path, progress: Progress) -> Stage:
    """Read, split, choose the items, write the silos. Errors: ConfigError, and those of `run_training`."""
    settings = Settings.of(options.protocol, options.config)
    budget = Budget(options.epsilon, options.delta)
    progress("data", 0, 1)
    data = read_purchases(options.data, options.column)
    private = options.item_list is ItemList.PRIVATE
    if not private:
        data = restricted(data, options.items)
    trial = split(data, options.protocol, cutoff=options.cutoff)
    members, folder = _members(options, data, trial), work / "silos"
    dealt, paid = deal(data, trial, members, budget, folder), None
    progress("data", 1, 1)
    if private and options.items is not None and options.items < len(data.catalogue):
        paid = private_list(
            settings,
            dealt,
            budget,
            options.items,
            seed=options.seed,
            output=work / "run",
            progress=progress,
        )
        # The split was made on all items and stays: nothing that the list's run learned from is a target.
        data, trial = data.among(paid.items, list_note(data, paid, budget)), trial.among(paid.items)
        dealt = deal(data, trial, members, budget, folder)
    trial, notes = _shown(options, data, trial, dealt)
    return Stage(data, trial, dealt, settings, budget, paid, notes)


def restricted(data: Purchases, items: int | None) -> Purchases:
    """The data set with its `items` most bought items alone: the published list of the benchmark."""
    if items is None or items >= len(data.catalogue):
        return data
    note = f"the {items:,} most bought items of the data set, as in the published protocol"
    return data.among(benchmark_list(data, items), note)


def _members(options: QualityOptions, data: Purchases, trial: Trial) -> Membership:
    if options.column:
        return by_column(data, trial, options.max_silos_per_person)
    return by_customer(data, trial, int(options.silos))


def _shown(
    options: QualityOptions, data: Purchases, trial: Trial, dealt: Dealt
) -> tuple[Trial, tuple[str, ...]]:
    """What rankings read of a customer who shops in several silos."""
    if not options.column:
        return trial, ()
    if options.own_history == "all":
        return trial, (
            "rankings read a person's own history of all silos, to which that person has consented",
        )
    note = "rankings read a person's own history of the silo alone where the target was bought"
    return trial.showing(data.silos, dealt.silo_of), (note,)
