"""CSV line by line: what stands in a line is read from that line alone, whatever is in the others.

A value of a customers' table has no line break in it. So a quote that is not closed ends with its line,
instead of taking the rows of others with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class LineFile:
    """A CSV file whose header gave `names`, the `delimiter` and how lines end (`newline`: LF or CR)."""

    path: Path
    names: Sequence[str]
    delimiter: str
    newline: bytes

    def first_broken(self) -> int | None:
        """The 1-based row of the first line that does not stand alone as so many values; None without one."""
        row = 0
        for chunk in self._chunks():
            lines = chunk.count(self.newline)
            if self._whole.fullmatch(chunk) is None:
                place = next(n for n, line in enumerate(self._lines(chunk)) if not self._sound(line))
                return row + place + 1
            row += lines
        return None

    def read(self, columns: Sequence[str]) -> pa.Table:
        """The columns of the lines that stand alone, as text, empty values as null; without others."""
        places = [self.names.index(name) for name in columns]
        schema = pa.schema([(name, pa.string()) for name in columns])
        parts = [schema.empty_table()]
        for chunk in self._chunks():
            rows = [row for line in self._lines(chunk) if (row := self._values(line)) is not None]
            texts = [pa.array([row[place] or None for row in rows], pa.string()) for place in places]
            parts.append(pa.table(texts, schema=schema))
        return pa.concat_tables(parts)

    def _chunks(self) -> Iterator[bytes]:
        """The file without its header, in pieces that end where a line does."""
        with self.path.open("rb") as file:
            rest, header = b"", True
            while chunk := file.read(CHUNK_BYTES):
                whole, found, rest = (rest + chunk).rpartition(self.newline)
                if header and found:
                    _, found, whole = (whole + found).partition(self.newline)
                    header, found = False, b""
                if not header and whole + found:
                    yield whole + found
            if rest and not header:
                yield rest

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        for line in chunk.removesuffix(self.newline).split(self.newline):
            yield line.removesuffix(b"\r") if self.newline == b"\n" else line

    def _sound(self, line: bytes) -> bool:
        return not line or self._line.fullmatch(line) is not None

    def _values(self, line: bytes) -> list[str] | None:
        """The values of a line; None for an empty line and for one that does not stand alone."""
        if not line or self._line.fullmatch(line) is None:
            return None
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return None
        if '"' not in text:
            return text.split(self.delimiter)
        return [_unquoted(found[0]) for found in self._value.finditer(text)]

    @cached_property
    def _line(self) -> re.Pattern[bytes]:
        return re.compile(self._pattern)

    @cached_property
    def _whole(self) -> re.Pattern[bytes]:
        """All lines of a piece at once, the last perhaps without an end."""
        end = rb"(?:\r?\n|\Z)" if self.newline == b"\n" else rb"(?:\r|\Z)"
        return re.compile(rb"(?:(?:" + self._pattern + rb"|)" + end + rb")*+")

    @property
    def _pattern(self) -> bytes:
        """As many values as there are names, in quotes or without any, and perhaps a delimiter at the end."""
        delimiter = re.escape(self.delimiter.encode())
        value = rb'(?: *+"(?:[^"\r\n\0]|"")*+" *+|[^"\r\n\0' + delimiter + rb"]*+)"
        return value + b"(?:" + delimiter + value + b"){%d}" % (len(self.names) - 1) + delimiter + b"?"

    @cached_property
    def _value(self) -> re.Pattern[str]:
        delimiter = re.escape(self.delimiter)
        return re.compile(rf'(?:(?<={delimiter})|^)(?: *"(?:[^"]|"")*" *|[^"{delimiter}]*)')


def _unquoted(value: str) -> str:
    trimmed = value.strip(" ")
    return trimmed[1:-1].replace('""', '"') if trimmed.startswith('"') else value
