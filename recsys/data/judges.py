"""What becomes of a row that breaks the contract: named in an error, or set aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recsys.data.contracts import Column
from recsys.data.source import Source, first_failing

Convert = Callable[[pa.ChunkedArray], pa.ChunkedArray]
"""A cast, row by row; pa.ArrowInvalid where it cannot."""


class Judge(Protocol):
    """Judges the rows of one source; faults of a whole column are always an error."""

    source: Source

    def convert(
        self, column: str, values: pa.ChunkedArray, convert: Convert, problem: str, remedy: str
    ) -> pa.ChunkedArray:
        """The values converted."""
        ...

    def refuse(self, column: str, bad: pa.ChunkedArray, problem: str, remedy: str, /) -> None:
        """Rows where `bad` (bool, null counts as False) is True break the contract."""
        ...

    def disagree(self, column: str, row: int, problem: str, remedy: str, /) -> None:
        """A row is written in another form than rows before it, though either could be read."""
        ...

    def must_be_whole(self, column: Column, values: pa.ChunkedArray, /) -> bool:
        """Whether no value of the column may be missing."""
        ...


class Strict:
    """The first breach is an error that names the row: for the operator, who can mend it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def convert(
        self, column: str, values: pa.ChunkedArray, convert: Convert, problem: str, remedy: str
    ) -> pa.ChunkedArray:
        """The values converted. Raises DataContractError for the first row that cannot be."""
        try:
            return convert(values)
        except pa.ArrowInvalid:
            row = first_failing(values, convert)
            raise self.source.error(problem, remedy, column=column, row=row) from None

    def refuse(self, column: str, bad: pa.ChunkedArray, problem: str, remedy: str) -> None:
        """Raises DataContractError for the first row of `bad`."""
        row = pc.index(bad, True).as_py()
        if row >= 0:
            raise self.source.error(problem, remedy, column=column, row=row)

    def disagree(self, column: str, row: int, problem: str, remedy: str) -> None:
        """Raises DataContractError: which of the two forms is meant, only the operator knows."""
        raise self.source.error(problem, remedy, column=column, row=row)

    def must_be_whole(self, column: Column, values: pa.ChunkedArray) -> bool:
        """A complete column has no gaps, but may have no value at all."""
        return not column.nullable or (column.complete and values.null_count < len(values))


class Sieve:
    """Rows that break the contract are noted, to be set aside, without a word about any of them.

    ordered_by: the column that the order of rows is known from; a row without a value there is set aside

    Guarantee: unit one customer, relation add or remove one: whether a row is noted, and how a row is read
    that is not, depends on that row and on public arguments alone.
    """

    def __init__(self, source: Source, ordered_by: str | None) -> None:
        self.source, self._ordered_by = source, ordered_by
        self.kept: NDArray[np.bool_] = np.ones(source.data.num_rows, np.bool_)

    def convert(
        self, column: str, values: pa.ChunkedArray, convert: Convert, problem: str, remedy: str
    ) -> pa.ChunkedArray:
        """The values converted, null (and the row noted) where that is impossible."""
        converted = converted_each(values, convert)
        self.refuse(column, pc.and_(pc.is_valid(values), pc.is_null(converted)), problem, remedy)
        return converted

    def refuse(self, _column: str, bad: pa.ChunkedArray, _problem: str, _remedy: str) -> None:
        """Note the rows."""
        self.kept &= ~np.asarray(pc.fill_null(bad, False).to_numpy(), np.bool_)

    def disagree(self, _column: str, _row: int, _problem: str, _remedy: str) -> None:
        """Nothing: each row is read as it is written."""

    def must_be_whole(self, column: Column, _: pa.ChunkedArray) -> bool:
        """Said by the contract and the order, never by what other rows hold."""
        return not column.nullable or column.name == self._ordered_by


def converted_each(values: pa.ChunkedArray, convert: Convert) -> pa.ChunkedArray:
    """What `convert` makes of each row, null for rows that it cannot convert; by bisection."""
    kind, chunks = convert(values.slice(0, 0)).type, list[pa.Array]()
    waiting = [values]
    while waiting:
        piece = waiting.pop()
        try:
            chunks.extend(convert(piece).chunks)
        except pa.ArrowInvalid:
            if len(piece) == 1:
                chunks.append(pa.nulls(1, kind))
            else:
                middle = len(piece) // 2
                waiting += [piece.slice(middle), piece.slice(0, middle)]
    return pa.chunked_array(chunks, kind)
