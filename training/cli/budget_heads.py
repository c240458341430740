"""`budget verify` and `budget export`: whether ledgers are whole, and what to hold them against later."""

from __future__ import annotations

import hashlib
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import click
import orjson
from pydantic import BaseModel, Field, ValidationError

from recsys.errors import ConfigError, LedgerError
from recsys.privacy.chain import Verification
from recsys.privacy.ledger import HeadMark, Ledger, Row
from recsys.privacy.ledger_rows import whole_seconds
from recsys.words import counted
from training.cli.books import Books, Sources, echo_json, open_books, reads_books
from training.cli.budget_text import print_verified

FORMAT = "thousandfaces ledger export 1"
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Known = dict[str, list[str | HeadMark]]


class ExportedRow(BaseModel):
    """Of an exported row, what identifies it; the rest is for readers."""

    id: int = Field(ge=1)
    hash: Digest


class ExportedLedger(BaseModel):
    """One silo's rows in an export."""

    silo: str
    rows: list[ExportedRow]


class Export(BaseModel):
    """A file that `budget export` wrote."""

    ledgers: list[ExportedLedger] = Field(min_length=1)


@click.command()
@reads_books
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--head", "heads", multiple=True, help="A head exported earlier; repeatable.")
@click.option(
    "--heads", "file", type=click.Path(path_type=Path), help="A file that `budget export` wrote earlier."
)
def verify(
    ledgers: tuple[str, ...],
    silos: tuple[Path, ...],
    federation: Path | None,
    as_json: bool,
    heads: tuple[str, ...],
    file: Path | None,
) -> None:
    """Recompute every hash; edits, deletions, insertions and moved rows are named. Exit code 3 if any.

    A cut tail, a swapped file or a restored old copy shows against what is kept elsewhere: the witness file
    beside the ledger, an export (--heads) or a single head (--head).
    """
    books = open_books(Sources(ledgers, silos, federation), must_exist=True)
    if heads and len(books.ledgers) > 1:
        raise ConfigError("--head belongs to one ledger; give that one alone with --ledger")
    exported = {} if file is None else _read_export(file, books)
    found = {silo: ledger.verify([*heads, *exported.get(silo, ())]) for silo, ledger in books.ledgers.items()}
    if as_json:
        echo_json(_verified_json(found, books))
    else:
        print_verified(found, books)
    if broken := [silo for silo, result in found.items() if not result.ok]:
        where, problem = books.ledgers[broken[0]].where, str(found[broken[0]].problem)
        named = problem if where in problem else f"{where}: {problem}"
        raise LedgerError(f"{named}; compare the ledger with its copies before anything is spent")


@click.command()
@reads_books
@click.option("--out", required=True, help="The file to write, which must not exist yet; '-' for stdout.")
def export(ledgers: tuple[str, ...], silos: tuple[Path, ...], federation: Path | None, out: str) -> None:
    """Write the ledgers' heads and all their rows as JSON, for a reviewer and for `verify --heads` later.

    Keep the file where nobody who can write the ledgers can change it. Rows hold no customer's data.
    Times are in whole seconds, and those of commits are their reservations': finer ones would tell how long
    a computation took.
    """
    books = open_books(Sources(ledgers, silos, federation), must_exist=True)
    found = [_exported(silo, ledger) for silo, ledger in books.ledgers.items()]
    heads = [str(ledger["head"]) for ledger in found]
    made = {
        "format": FORMAT,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "head": combined_head(heads),
    }
    text = orjson.dumps({**made, "ledgers": found}, option=orjson.OPT_INDENT_2) + b"\n"
    if out == "-":
        click.echo(text, nl=False)
        return
    _write_new(Path(out), text)
    click.echo(f"{out}: {counted(len(found), 'ledger')}, head {made['head']}")


def combined_head(heads: list[str]) -> str:
    """One ledger's head; for several, SHA-256 (hex) over their heads, sorted and joined."""
    if len(heads) == 1:
        return heads[0]
    return hashlib.sha256("".join(sorted(heads)).encode()).hexdigest()


def _exported(silo: str, ledger: Ledger) -> dict[str, Any]:
    verified = ledger.verify()
    if not verified.ok:
        raise LedgerError(f"{ledger.where}: {verified.problem}; a broken ledger is not exported")
    found = ledger.rows()
    times = {row.id: row.time for row in found}
    rows = [_shown(row, whole_seconds(times[row.reservation or row.id])) for row in found]
    head = found[-1].hash if found else verified.head
    return {"silo": silo, "where": ledger.where, "head": head, "rows": rows}


def _shown(row: Row, time: str) -> dict[str, Any]:
    return {**asdict(row), "time": time}


def _write_new(path: Path, text: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise ConfigError(f"{path}: exists; an export is evidence, so give another name") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); check the folder") from error


def _read_export(file: Path, books: Books) -> Known:
    try:
        export = Export.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        at = ".".join(map(str, problem["loc"])) or "the file"
        raise ConfigError(f"{file}: no export of `budget export`: {at}: {problem['msg']}") from None
    known: Known = {
        ledger.silo: [HeadMark(row.id, row.hash) for row in ledger.rows] for ledger in export.ledgers
    }
    if len(known) == len(books.ledgers) == 1:
        return dict(zip(books.ledgers, known.values(), strict=True))
    if missing := sorted(set(known) - set(books.ledgers)):
        raise ConfigError(f"{file}: holds silo '{missing[0]}', whose ledger was not given; give it too")
    return known


def _verified_json(found: dict[str, Verification], books: Books) -> dict[str, Any]:
    results = list(found.values())
    bad = [result for result in results if not result.ok]
    places = {silo: ledger.where for silo, ledger in books.ledgers.items()}
    return {
        "ok": not bad,
        "rows": sum(result.rows for result in results),
        "head": combined_head([result.head for result in results]),
        "first_bad_row": bad[0].first_bad_row if bad else None,
        "ledgers": [{"silo": silo, "path": places[silo], **asdict(result)} for silo, result in found.items()],
    }
