"""What somebody with a database tool may do to a ledger of seven rows, and the row that shows it."""

from __future__ import annotations

from recsys.privacy.chain import row_hash
from tests.contracts.ledger.places import Raw

LAST = 7


def rehash(database: Raw, first: int) -> None:
    """Make the chain whole again from a row on, as somebody would who knows how it is made."""
    previous = database.rows()[first - 2]["hash"]
    for row in database.rows()[first - 1 :]:
        digest = row_hash({**row, "previous": previous})
        database.run(f"UPDATE rows SET previous = '{previous}', hash = '{digest}' WHERE id = {row['id']}")
        previous = digest


def edit(database: Raw) -> None:
    database.run("UPDATE rows SET noise_multiplier = 900.0 WHERE id = 4")


def edit_words(database: Raw) -> None:
    database.run("UPDATE rows SET details = replace(details, 'training', 'testing') WHERE id = 4")


def edit_and_rehash_one(database: Raw) -> None:
    edit(database)
    row = database.rows()[3]
    database.run(f"UPDATE rows SET hash = '{row_hash(row)}' WHERE id = 4")


def edit_and_rehash_all(database: Raw) -> None:
    edit(database)
    rehash(database, 4)


def delete(database: Raw) -> None:
    database.run("DELETE FROM rows WHERE id = 4")


def delete_and_renumber(database: Raw) -> None:
    delete(database)
    for number in range(5, LAST + 1):
        database.run(f"UPDATE rows SET id = {number - 1} WHERE id = {number}")


def delete_and_rehash(database: Raw) -> None:
    delete_and_renumber(database)
    rehash(database, 4)


def insert(database: Raw) -> None:
    for number in range(LAST, 3, -1):
        database.run(f"UPDATE rows SET id = {number + 1} WHERE id = {number}")
    database.copy(3, {"id": 4, "hash": "b" * 64})


def insert_at_the_end(database: Raw) -> None:
    last = database.rows()[-1]
    database.copy(LAST, {"id": LAST + 1, "previous": last["hash"], "hash": "b" * 64})


def reorder(database: Raw) -> None:
    for old, new in ((4, 99), (5, 4), (99, 5)):
        database.run(f"UPDATE rows SET id = {new} WHERE id = {old}")


def cut_tail(database: Raw) -> None:
    database.run("DELETE FROM rows WHERE id >= 6")


def cut_all(database: Raw) -> None:
    database.run("DELETE FROM rows")


SHOWN_BY_THE_CHAIN = {
    edit: 4,
    edit_words: 4,
    edit_and_rehash_one: 5,
    delete: 4,
    delete_and_renumber: 4,
    insert: 4,
    insert_at_the_end: LAST + 1,
    reorder: 4,
}
"""What is done, and the first row that is then out of line."""

SHOWN_BY_HEADS = {edit_and_rehash_all: 4, delete_and_rehash: 4, cut_tail: 6, cut_all: 1}
"""The chain is whole again: only what was kept elsewhere shows it."""
