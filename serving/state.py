"""All that a running server holds, read once at start: the verified bundle and this silo's own customers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle
from recsys.data.vocab import Catalogue
from recsys.errors import UnknownItemError
from recsys.features.price_tiers import price_tiers
from recsys.models.demand_forecast import DemandModel
from recsys.models.replenishment import IntervalModel
from recsys.recommend.pipeline import Recommender
from serving.clock import Clock
from serving.customers.profiles import Profiles
from serving.demand.outlook import Outlook
from serving.events.log import EventLog
from serving.items.assortment import Assortment
from serving.metrics import Metrics
from serving.next_needs.life import Life
from serving.settings import Settings


@dataclass(frozen=True, eq=False)
class State:
    """One silo's server. Everything but `profiles` and `events` is read-only.

    events: None where the silo keeps no online store, or its data has no times that events could follow
    life: None where the silo names no plan of life stages
    stores: ids in the silo's stores table; empty where it lists none
    demand: None where the bundle has no forecast of sales; outlook: None without it, or without stock
    """

    settings: Settings
    silo_name: str
    utc_offset_seconds: int
    timezone: str
    bundle: Bundle
    recommender: Recommender
    intervals: IntervalModel
    assortment: Assortment
    profiles: Profiles
    events: EventLog | None
    clock: Clock
    metrics: Metrics
    life: Life | None = None
    stores: frozenset[str] = frozenset()
    demand: DemandModel | None = None
    outlook: Outlook | None = None

    @property
    def catalogue(self) -> Catalogue:
        """The vocabulary of the bundle."""
        return self.bundle.catalogue

    @property
    def model_version(self) -> str:
        """The version of the served bundle."""
        return self.bundle.version

    @property
    def statement(self) -> Mapping[str, Any]:
        """The bundle's privacy statement: the manifest's summary over the full one."""
        return {**self.bundle.statement, **self.bundle.manifest.privacy_statement}

    @property
    def statement_id(self) -> str | None:
        """The privacy statement's id."""
        found = self.statement.get("id")
        return None if found is None else str(found)

    @cached_property
    def price_tiers(self) -> NDArray[np.int64]:
        """How dear each item is for its kind (see `price_tiers`)."""
        return price_tiers(self.catalogue)

    def item(self, item_id: str) -> int | None:
        """The vocabulary index of an item; None if the catalogue has no such item."""
        try:
            return self.catalogue.index(item_id)
        except UnknownItemError:
            return None

    def known_items(self, item_ids: Iterable[str]) -> list[int]:
        """The vocabulary indices of the known among these items."""
        found = (self.item(item_id) for item_id in item_ids)
        return [index for index in found if index is not None]


def state_of(request: Request) -> State:
    """The state of the app that a request is for."""
    return cast("State", request.app.state.serving)


def request_id_of(request: Request) -> str:
    """The id of a request, from its header or made by the middleware."""
    return str(request.state.request_id)
