"""What a test depends on is found from its imports, those in functions and by name included."""

from pathlib import Path

import pytest

from experiments.evidence.sources import Sources
from recsys.errors import ConfigError
from tests.experiments.evidence_checkout import PACKAGES, make_checkout, write


def closure(root: Path, test: str = "tests/test_prices.py") -> set[str]:
    return {path.relative_to(root).as_posix() for path in Sources(root, PACKAGES).closure(test)}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_checkout(tmp_path).root


def test_helpers_packages_conftests_and_imports_in_functions_belong_to_it(root: Path) -> None:
    names = ["shop/__init__.py", "shop/prices.py", "shop/tax.py", "tests/conftest.py", "tests/helpers.py"]
    assert closure(root) == {*names, "tests/test_prices.py"}


@pytest.mark.parametrize(
    "line",
    [
        "from shop import unused",
        "import shop.unused as other",
        "from . import unused",
        "from .unused import VALUE",
        "if False:\n    from shop.unused import VALUE",
        'import_module("shop.unused")',
        'GROUP = "shop.unused:VALUE"',
    ],
)
def test_every_form_of_import_counts(root: Path, line: str) -> None:
    assert "shop/unused.py" not in closure(root)
    write(root, "shop/tax.py", f"{line}\nRATE = 1\n")
    assert "shop/unused.py" in closure(root)


def test_entry_points_count_where_their_group_is_named(root: Path) -> None:
    assert "shop/late.py" not in closure(root)
    write(root, "shop/tax.py", 'CHECKS = "shop.checks"\nRATE = 1\n')
    assert "shop/late.py" in closure(root)


def test_tests_that_a_test_runs_count_with_what_they_reach(root: Path) -> None:
    write(root, "tests/deeper/conftest.py", "import shop.late\n")
    write(root, "tests/deeper/test_more.py", "import shop.unused\n")
    for named in ('RUNS = "tests/deeper/test_more.py::test_one"', 'RUNS = "tests/deeper"'):
        write(root, "tests/test_words.py", named)
        found = closure(root, "tests/test_words.py")
        assert found >= {
            "tests/deeper/test_more.py",
            "tests/deeper/conftest.py",
            "shop/unused.py",
            "shop/late.py",
        }


def test_data_beside_the_code_counts(root: Path) -> None:
    before = Sources(root, PACKAGES).fingerprint("tests/test_prices.py")
    (root / "shop" / "page.html").write_text("<p>")
    assert Sources(root, PACKAGES).fingerprint("tests/test_prices.py") != before


def test_versions_that_decide_nothing_do_not_count(root: Path) -> None:
    before = Sources(root, PACKAGES).fingerprint("tests/test_prices.py")
    write(root, "constraints.txt", "numpy==2.0.0\nrich==99.0.0\n")
    assert Sources(root, PACKAGES).fingerprint("tests/test_prices.py") == before
    write(root, "constraints.txt", "numpy==2.0.1\nrich==99.0.0\n")
    assert Sources(root, PACKAGES).fingerprint("tests/test_prices.py") != before


def test_the_real_step_audit_reaches_noise_clipping_and_its_own_bars() -> None:
    sources = Sources()
    found = {
        str(path.relative_to(sources.root))
        for path in sources.closure("tests/training/audit/test_step_audit.py")
    }
    assert found >= {
        "recsys/privacy/mechanisms.py",
        "training/engine.py",
        "training/audit/step_audit.py",
        "tests/training/audit/broken.py",
        "experiments/evidence/bars.py",
    }
    mutants = {
        str(path.relative_to(sources.root))
        for path in sources.closure("tests/contracts/mutants/test_mutants.py")
    }
    assert mutants >= {
        "training/audit/mutants/books.py",
        "tests/contracts/mutants/plugin.py",
        "tests/training/test_batches.py",
        "tests/training/conftest.py",
    }


def test_a_test_that_is_not_there_is_named(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"tests/test_gone\.py: no such test file"):
        closure(root, "tests/test_gone.py")


def test_a_source_that_cannot_be_read_is_named(root: Path) -> None:
    write(root, "shop/tax.py", "RATE =\n")
    with pytest.raises(ConfigError, match=r"tax\.py: cannot be read"):
        closure(root)
