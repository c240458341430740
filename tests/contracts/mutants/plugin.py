"""A whole pytest session under a mutant: `pytest -p tests.contracts.mutants.plugin --mutant NAME ...`."""

import pytest

from training.audit.mutants.catalogue import MUTANTS


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutant", choices=sorted(MUTANTS), help="break the code in this way")


def pytest_configure(config: pytest.Config) -> None:
    if name := config.getoption("--mutant"):
        broken = MUTANTS[name].applied()
        broken.__enter__()
        config.add_cleanup(lambda: broken.__exit__(None, None, None))
