"""Which sources a test depends on: the project's own modules that it imports, and those that they import.

Found without running anything: imports anywhere in a file, in functions too, and packages on the way. Strings
count where they are the name of a module, the path of tests that are run, or a group of entry points in
pyproject.toml, since such code is loaded by name.
"""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from recsys.errors import ConfigError

ROOT = Path(__file__).parents[2]
PACKAGES = ("recsys", "training", "serving", "experiments", "tests")
PINNED = ("numpy", "scipy", "torch", "opacus", "dp-accounting", "cryptography")
"""Whose versions decide what is measured; their lines of constraints.txt are part of a fingerprint."""
DATA = {".html", ".css", ".js", ".svg", ".toml"}
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:\w+)?")
PATH = re.compile(r"\w+/[^\s/]")


class Sources:
    """The sources below a root, as they are on the disk when this object is made and asked."""

    def __init__(self, root: Path = ROOT, packages: tuple[str, ...] = PACKAGES) -> None:
        self.root, self._packages = root, packages
        self._needs: dict[Path, frozenset[Path]] = {}
        self._digests: dict[Path, str] = {}
        self._groups = _entry_points(root / "pyproject.toml")
        self._pins = _pins(root / "constraints.txt")

    def fingerprint(self, test_file: str) -> str:
        """SHA-256 over paths and contents of all that the test file depends on, and pinned versions."""
        digest = hashlib.sha256()
        for path in self.closure(test_file):
            digest.update(f"{path.relative_to(self.root).as_posix()} {self._digest(path)}\n".encode())
        digest.update("\n".join(self._pins).encode())
        return digest.hexdigest()

    def closure(self, test_file: str) -> list[Path]:
        """All files that a test file depends on, itself and its conftests included, in order."""
        start = self.root / test_file
        if not start.is_file():
            raise ConfigError(f"{test_file}: no such test file; give one below {self.root}")
        waiting, found = [start, *self._conftests(start)], set[Path]()
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting += self._direct(path)
                # Tests that a test runs in a process of their own.
                waiting += self._conftests(path) if path.name.startswith("test_") else []
        return sorted(found)

    def _conftests(self, test: Path) -> list[Path]:
        folders = [folder for folder in test.parents if folder.is_relative_to(self.root)]
        return [folder / "conftest.py" for folder in folders if (folder / "conftest.py").is_file()]

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[path]

    def _direct(self, path: Path) -> frozenset[Path]:
        """What one file needs: modules that it names, and data beside it."""
        if path.suffix != ".py":
            return frozenset()
        if path not in self._needs:
            beside = {
                other for other in path.parent.iterdir() if other.suffix in DATA and self._is_code(other)
            }
            try:
                tree = ast.parse(path.read_bytes())
            except SyntaxError as error:
                raise ConfigError(f"{path}: cannot be read ({error}); mend it") from None
            self._needs[path] = frozenset(beside | set(self._named(tree, path)))
        return self._needs[path]

    def _is_code(self, path: Path) -> bool:
        return path.relative_to(self.root).parts[0] in self._packages and path.is_file()

    def _named(self, tree: ast.Module, path: Path) -> Iterator[Path]:
        package = path.relative_to(self.root).parent.parts
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield from self._modules(alias.name)
            elif isinstance(node, ast.ImportFrom):
                before = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join([*before, *filter(None, [node.module])])
                for alias in node.names:
                    yield from self._modules(f"{base}.{alias.name}")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from self._loaded(node.value)

    def _loaded(self, words: str) -> Iterator[Path]:
        """What a string loads: an entry-point group, a module by its name, or tests by their path."""
        for value in self._groups.get(words, ()):
            yield from self._modules(value.partition(":")[0])
        if NAME.fullmatch(words):
            yield from self._modules(words.partition(":")[0])
        elif PATH.match(words) and words.partition("/")[0] in self._packages:
            path = self.root / words.partition("::")[0]
            if path.suffix == ".py" and path.is_file():
                yield path
            elif path.is_dir():
                yield from path.rglob("*.py")

    def _modules(self, name: str) -> Iterator[Path]:
        """The files of a module and of the packages above it; a last part may be a name inside."""
        parts = name.split(".")
        if parts[0] not in self._packages:
            return
        for length in range(1, len(parts) + 1):
            place = self.root.joinpath(*parts[:length])
            for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
                if file.is_file():
                    yield file


def _entry_points(pyproject: Path) -> dict[str, list[str]]:
    if not pyproject.exists():
        return {}
    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    return {group: list(named.values()) for group, named in project.get("entry-points", {}).items()}


def _pins(constraints: Path) -> list[str]:
    lines = constraints.read_text(encoding="utf-8").splitlines() if constraints.exists() else []
    return [line for line in lines if line.partition("==")[0] in PINNED]
