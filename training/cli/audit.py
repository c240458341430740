"""`thousandfaces audit`: attacks on the real code, and what they found beside what is claimed."""

from __future__ import annotations

import click


@click.group()
def audit() -> None:
    """Attack the real code with synthetic canaries and compare what leaks with what is claimed."""
