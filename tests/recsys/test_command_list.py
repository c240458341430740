"""The table of `thousandfaces --help`."""

import tomllib
from pathlib import Path

from recsys.cli import COMMANDS_GROUP, SUMMARIES

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_every_command_says_what_it_does() -> None:
    declared = tomllib.loads(PROJECT.read_text())["project"]["entry-points"][COMMANDS_GROUP]
    assert set(declared) == set(SUMMARIES)
    assert all(summary.endswith(".") for summary in SUMMARIES.values())
