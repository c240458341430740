"""Reads everything a server needs, once, before it listens; anything wrong is a named error of one line."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from recsys.bundle.source import source_of
from recsys.data.consent import consented_for_personalisation
from recsys.data.dataset import Dataset
from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.models.demand_forecast import DemandModel
from recsys.models.replenishment import IntervalModel
from recsys.recommend.pipeline import Recommender
from recsys.silos.base import Silo
from recsys.silos.check import read_sound
from recsys.silos.config import SiloConfig
from recsys.silos.online import OnlineEventStore, with_online
from recsys.silos.tables import SiloTables
from serving.clock import Clock
from serving.customers.profiles import Profiles, consents_of
from serving.demand.outlook import Outlook
from serving.events.log import EventLog
from serving.items.assortment import Assortment
from serving.metrics import Metrics
from serving.next_needs.life import Life
from serving.settings import MAX_EVENTS_PER_CUSTOMER, Settings
from serving.state import State

logger = logging.getLogger("thousandfaces.serving")


def load_state(settings: Settings) -> State:
    """The state of one silo's server.

    Rows of customers that break the contract are left out, one by one: one customer's keep neither the server
    from starting nor others' rows out, and no log tells of them (`silo check` does, to the operator).

    Raises BundleError (missing, damaged, or of another catalogue), RegistryError, ConfigError (silo.toml),
    DataContractError (a file, a column, or a public table: items, stores, stock).
    """
    state = _load(settings)
    pa.default_memory_pool().release_unused()  # the tables are gone; their memory would stay
    return state


def _load(settings: Settings) -> State:
    # Arrow and DuckDB work outside the interpreter's lock, so a second thread halves much of the wait.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="loading") as beside:
        config = SiloConfig.load(settings.silo)
        silo, store = _silo(config)
        read = beside.submit(read_sound, silo)
        bundle = source_of(settings.bundle, settings.cache).load()
        recommender = Recommender(bundle)
        tables = read.result()
        log = beside.submit(_event_log, store, tables.interactions)
        profiles = _profiles(silo, tables, bundle.catalogue)
        return State(
            settings=settings,
            silo_name=config.name,
            utc_offset_seconds=silo.utc_offset_seconds,
            timezone=config.timezone,
            bundle=bundle,
            recommender=recommender,
            intervals=IntervalModel.from_arrays(bundle.intervals, bundle.catalogue),
            assortment=Assortment.of(bundle.catalogue, tables.items, tables.stock),
            profiles=profiles,
            events=log.result(),
            clock=_clock(settings, config),
            metrics=Metrics(silo=config.name, model_version=bundle.version),
            stores=frozenset(tables.stores["store_id"].to_pylist()),
            life=Life.load(config, bundle.catalogue, bundle.follow_ups),
            demand=(sales := DemandModel.from_arrays(bundle.demand, bundle.catalogue)),
            outlook=Outlook.of(sales, config.name, bundle.catalogue, tables.stores, tables.stock),
        )


def _clock(settings: Settings, config: SiloConfig) -> Clock:
    return Clock.at_end_of(config.data_until) if settings.demo and settings.demo_clock else Clock()


def _silo(config: SiloConfig) -> tuple[Silo, OnlineEventStore | None]:
    base = config.base_silo()
    if config.online is None or base.ordering is not Ordering.TIMESTAMP:
        logger.warning("silo %s takes no events: it needs an 'online' store and timestamps", config.name)
        return base, None
    store = OnlineEventStore(config.online)
    return with_online(base, store), store


def _event_log(store: OnlineEventStore | None, known: pa.Table) -> EventLog | None:
    return None if store is None else EventLog(store, known)


def _profiles(silo: Silo, tables: SiloTables, catalogue: Catalogue) -> Profiles:
    dataset = Dataset.build(
        consented_for_personalisation(tables.interactions, tables.customers),
        catalogue,
        ordering=silo.ordering,
        utc_offset_seconds=silo.utc_offset_seconds,
        max_events_per_customer=MAX_EVENTS_PER_CUSTOMER,
        drop_unknown_items=True,
    )
    return Profiles(dataset, consents_of(tables.customers))
