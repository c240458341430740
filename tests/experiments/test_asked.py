"""What `bench` asks for says how small it may be, and says what its options refuse."""

import re

import click
import pytest
from click.testing import CliRunner

from experiments.coldstart.options import LEAST_PERSONS as COLD_START
from experiments.demand.report import DemandOptions
from experiments.followups.report import FollowupOptions
from experiments.quality.cli import bench
from experiments.replenishment.truth_report import TruthOptions
from experiments.season.report import SeasonOptions

LEAST = {
    "cold-start": COLD_START,
    "demand": DemandOptions.LEAST_PERSONS,
    "followups": FollowupOptions.LEAST_PERSONS,
    "replenishment-truth": TruthOptions.LEAST_PERSONS,
    "season": SeasonOptions.LEAST_PERSONS,
}


def range_of(command: str, option: str) -> str:
    """What `--help` says after the default."""
    text = " ".join(CliRunner().invoke(bench, [command, "--help"]).stdout.split())
    found = re.search(rf"--{option} INTEGER RANGE [^[]*\[default: \d+; ([^]]*)\]", text)
    assert found, text
    return found[1]


@pytest.mark.parametrize(("command", "persons"), LEAST.items())
def test_the_size_of_a_world_has_a_minimum(command: str, persons: int) -> None:
    assert range_of(command, "persons") == f"x>={persons}"
    assert range_of(command, "items") == "x>=200"


@pytest.mark.parametrize("command", ["demand", "followups", "replenishment", "replenishment-truth", "season"])
def test_there_is_one_silo_at_least(command: str) -> None:
    assert range_of(command, "silos") == "x>=1"


@pytest.mark.parametrize("command", [*LEAST, "replenishment"])
def test_no_number_but_a_seed_goes_without_a_range(command: str) -> None:
    numbers = (click.types.IntParamType, click.types.FloatParamType)
    free = {one.name for one in bench.commands[command].params if type(one.type) in numbers}
    assert free <= {"seed"}
