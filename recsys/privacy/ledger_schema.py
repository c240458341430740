"""The ledger's table: what it refuses by itself, whoever writes to it, in SQLite and in PostgreSQL.

CHECK constraints name the type of every number too: SQLite stores NaN as NULL, which would pass a plain
comparison. The receipts that a coordinator mirrors are rows of the same table, chained like a silo's own.

Version 2 added the kinds policy, request, approve, audit and model. The columns, and so every row's hash, are
those of version 1.
"""

from __future__ import annotations

from dataclasses import dataclass

GENESIS = "0" * 64
SCHEMA_VERSION = 2
PURPOSE_PATTERN = r"^[a-z][a-z0-9_-]*\Z"
"""A purpose is a short code: training, evaluation, audit."""
VALUES = (
    "id", "kind", "time", "silo", "reservation", "noise_multiplier", "sampling_rate", "steps", "delta",
    "clip_norm", "divisor", "cap", "source", "details", "previous",
)  # fmt: skip
SALT = "salt"
"""The word of `details` that is random and never leaves the silo: guessing does not open a row's hash."""
REALS = frozenset({"noise_multiplier", "sampling_rate", "delta", "clip_norm", "divisor", "cap"})


@dataclass(frozen=True)
class Dialect:
    """A database's words: types of columns, and tests that a column holds such a number ({} is its name)."""

    integer: str
    real: str
    is_integer: str
    is_real: str


def tables(dialect: Dialect) -> tuple[str, ...]:
    """The statements that make the table of rows and its indexes, without triggers."""
    real, integer = dialect.real, dialect.integer
    return (
        f"""CREATE TABLE rows (
    id {integer} PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN (
        'cap', 'reserve', 'commit', 'void', 'receipt', 'policy', 'request', 'approve', 'audit', 'model')),
    time TEXT NOT NULL,
    silo TEXT NOT NULL,
    reservation {integer},
    noise_multiplier {real},
    sampling_rate {real},
    steps {integer},
    delta {real},
    clip_norm {real},
    divisor {real} CHECK (divisor IS NULL OR ({_within(dialect, "divisor", "> 0", "< 1e300")})),
    cap {real} CHECK (cap IS NULL OR ({_within(dialect, "cap", "> 0", "<= 1e9")})),
    source TEXT,
    details TEXT NOT NULL,
    previous TEXT NOT NULL CHECK (length(previous) = 64),
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    CHECK (kind NOT IN ('reserve', 'receipt') OR (
        {_within(dialect, "noise_multiplier", ">= 1e-9", "<= 1e9")}
        AND {_within(dialect, "sampling_rate", "> 0", "<= 1")}
        AND {dialect.is_integer.format("steps")} AND steps >= 1
        AND {_within(dialect, "delta", "> 0", "< 1")}
        AND {_within(dialect, "clip_norm", "> 0", "<= 1e9")})),
    CHECK (kind <> 'commit' OR ({dialect.is_integer.format("steps")} AND steps >= 0)),
    CHECK (kind NOT IN ('commit', 'void', 'receipt') OR {dialect.is_integer.format("reservation")}),
    CHECK (kind <> 'cap' OR (cap IS NOT NULL AND {_within(dialect, "delta", "> 0", "< 1")})),
    CHECK (kind <> 'receipt' OR (source IS NOT NULL AND length(source) = 64))
)""",
        "CREATE UNIQUE INDEX closed_once ON rows (reservation) WHERE kind IN ('commit', 'void')",
        "CREATE UNIQUE INDEX mirrored_once ON rows (source) WHERE kind = 'receipt'",
    )


def _within(dialect: Dialect, column: str, above: str, below: str) -> str:
    return f"{dialect.is_real.format(column)} AND {column} {above} AND {column} {below}"
