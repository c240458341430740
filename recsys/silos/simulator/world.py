"""The simulated world as a whole: generated chunk by chunk, in memory or into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from recsys.data.contracts import CONTRACTS, Table
from recsys.silos.simulator.catalogue import Goods, make_catalogue
from recsys.silos.simulator.config import WorldConfig
from recsys.silos.simulator.people import People, make_people
from recsys.silos.simulator.places import Place, assortment_table, make_places, stock_table, stores_table
from recsys.silos.simulator.shopping import Shopping, shop
from recsys.silos.simulator.tables import customers_table, interactions_table


@dataclass(frozen=True)
class Chunk:
    """Some persons and what they did in every silo, in the order of the silos."""

    number: int
    people: People
    shopping: tuple[Shopping, ...]


class World:
    """A retail world. Public facts are attributes; persons are generated when asked for, chunk by chunk."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config

    @cached_property
    def goods(self) -> Goods:
        """The items."""
        return make_catalogue(self.config)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """The silos' public sides."""
        return make_places(self.config, self.goods)

    def chunk(self, number: int) -> Chunk:
        """One chunk; the same however many chunks there are and in whatever order they are generated."""
        people = make_people(self.config, number)
        taken, shopping = np.zeros(0, np.int64), list[Shopping]()
        for place in self.places:
            done = shop(self.config, self.goods, people, place, taken, number)
            keys = done.members.rows[done.staples.member] * len(self.goods) + done.staples.item
            taken = np.concatenate([taken, keys])
            shopping.append(done)
        return Chunk(number, people, tuple(shopping))

    def chunks(self) -> Iterator[Chunk]:
        """All chunks in order."""
        return (self.chunk(number) for number in range(self.config.chunks))

    def tables(self, chunk: Chunk, place: Place) -> dict[Table, pa.Table]:
        """The chunk's part of one silo's private tables."""
        config, shopping = self.config, chunk.shopping[place.code]
        customers = customers_table(config, chunk.people, place, shopping.members, chunk.number)
        rows = interactions_table(config, self.goods, chunk.people, shopping, chunk.number)
        return {Table.CUSTOMERS: customers, Table.INTERACTIONS: rows}

    def public_tables(self, place: Place) -> dict[Table, pa.Table]:
        """One silo's assortment, stores and stock, with the contract's schema."""
        made = {
            Table.ITEMS: assortment_table(self.goods, place),
            Table.STORES: stores_table(place),
            Table.STOCK: stock_table(self.config, place),
        }
        return {table: rows.cast(CONTRACTS[table].schema) for table, rows in made.items()}
