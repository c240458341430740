"""A silo's own data as the stages read them: checked, consented, bounded and encoded, once per process.

Guarantee: only customers who consented to training are read, each in at most `max_silos_per_person` silos;
what is read of one depends on the own rows and on what is public, so no customer's rows make another's fail.
Nothing that is made here may leave the process but through `training.local`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.areas import ELSEWHERE, area_names
from recsys.data.consent import consented_for_training
from recsys.data.dataset import Dataset
from recsys.data.history import Ordering
from recsys.data.split import Split, temporal_split
from recsys.data.vocab import Catalogue
from recsys.errors import OrderingError
from recsys.features.items import ItemFeatures, item_features
from recsys.features.sequences import Sequences, encode
from recsys.models.rhythm import Examples
from recsys.silos.base import Silo
from recsys.silos.check import read_for_training
from training.config import SiloSettings
from training.scopes import sequence_config


@dataclass(frozen=True)
class TrainingData:
    """The consented customers' data of one silo, as the stages read it. It never leaves the process.

    held_out: what came after `until`, where the run measures its model
    hidden: categories whose follow-ups the silo keeps to itself (`followups_exclude`)
    kept: what one round of a stage leaves for the next
    areas: the silo's store areas, public
    """

    dataset: Dataset
    features: ItemFeatures
    sequences: Sequences
    held_out: Split | None = None
    hidden: tuple[str, ...] = ()
    kept: dict[str, Examples] = field(default_factory=dict, repr=False, compare=False)
    areas: tuple[str, ...] = (ELSEWHERE,)


def load(
    silo: Silo,
    catalogue: Catalogue,
    settings: SiloSettings,
    *,
    max_silos_per_person: int,
    silos: int,
    hidden: tuple[str, ...] = (),
) -> TrainingData:
    """Read, consent, bound and encode: once per process.

    Rows that break the contract are set aside, one by one (see `read_sound`). Raises DataContractError for
    what is wrong with a file, a column or a public table, and OrderingError where settings ask for an order
    that the silo's data do not have, whether or not there are any events.
    """
    if settings.sequences.ordered and silo.ordering is Ordering.NONE:
        raise OrderingError(
            f"sequences are asked for in order, but the data of silo '{silo.name}' have none; "
            "set 'sequences.ordered' to false"
        )
    if settings.until is not None and silo.ordering is not Ordering.TIMESTAMP:
        # Told by the silo's columns: by its values, one customer would decide whether the others are read.
        raise OrderingError(
            f"'until' cuts by time, but silo '{silo.name}' is ordered by '{silo.ordering}'; leave it out"
        )
    tables = read_for_training(silo, catalogue)
    interactions, customers = tables.interactions, tables.customers
    areas = area_names(tables.stores)
    del tables

    def consented(interactions: pa.Table, customers: pa.Table) -> Dataset:
        rows = consented_for_training(
            interactions, customers, max_silos_per_person=max_silos_per_person, silos=silos
        )
        return Dataset.build(
            rows,
            catalogue,
            ordering=silo.ordering,
            utc_offset_seconds=silo.utc_offset_seconds,
            max_events_per_customer=settings.max_events_per_customer,
        )

    dataset, held_out = consented(before(interactions, settings.until), customers), None
    if settings.held_out and settings.until is not None:
        every = consented(interactions, customers).histories
        held_out = temporal_split(every, int(settings.until.timestamp()))
    sequences = encode(dataset.histories, sequence_config(settings.sequences))
    del interactions, customers
    pa.default_memory_pool().release_unused()  # what was read is many times larger than what is kept
    return TrainingData(dataset, item_features(catalogue), sequences, held_out, hidden=hidden, areas=areas)


def before(interactions: pa.Table, until: datetime | None) -> pa.Table:
    """The rows before a moment, all of them without one; interactions are ordered by timestamp."""
    if until is None:
        return interactions
    times = interactions["timestamp"]
    return interactions.filter(pc.less(times, pa.scalar(until, times.type)))


def snapshot_parts(data: TrainingData) -> Iterator[bytes]:
    """The data that the stages read, for the keyed digest in the ledger."""
    yield "\n".join(data.dataset.customer_ids).encode()
    read = [data.dataset.histories] + ([data.held_out.targets] if data.held_out else [])
    for histories in read:
        for name in ("offsets", "items", "times", "events", "quantities"):
            yield getattr(histories, name).tobytes()
        if histories.areas is not None:
            yield histories.areas.tobytes()
