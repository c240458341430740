"""A preview of what would leave a silo, as text for its operator."""

from __future__ import annotations

import io

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from recsys.words import NO_VALUE
from training.preview import Preview

WIDTH = 140


def preview_text(preview: Preview) -> str:
    """Two tables, fields and sums, and what the sums cost."""
    out = io.StringIO()
    console = Console(file=out, width=WIDTH, highlight=False)
    console.print(_fields(preview))
    console.print(_sums(preview))
    console.print(
        f"A whole run costs a customer of '{preview.silo}' ε = {preview.silo_epsilon:.4g} here, and a person "
        f"in the most silos ε = {preview.person_epsilon:.4g}, at δ = {preview.delta:g}. Nothing was read "
        "from customers' rows and nothing was charged to make this page."
    )
    return out.getvalue().rstrip()


def _fields(preview: Preview) -> Table:
    columns = ("field", "leaves", Column("value, if known now", overflow="fold"), "why")
    table = Table(*columns, title=f"What may leave silo '{preview.silo}', and what is refused")
    for field in preview.fields:
        table.add_row(*map(escape, (field.name, field.leaves, field.value or NO_VALUE, field.why)))
    return table


def _sums(preview: Preview) -> Table:
    columns = (
        "noised sum",
        "messages",
        "numbers in each",
        "MB in all",
        "one customer ≤",
        "noise sd",
        "rate",
        "ε",
    )
    table = Table(*columns, title="Noised sums of one run")
    for one in preview.sums:
        numbers = (
            f"{one.clip_norm:g}",
            f"{one.noise_std:.4g}",
            f"{one.sampling_rate:g}",
            f"{one.epsilon:.3g}",
        )
        table.add_row(
            one.mechanism, str(one.messages), f"{one.coordinates:,}", f"{one.megabytes:.2f}", *numbers
        )
    return table
