"""What a mutant is: a named set of replacements in the real code, held while a `with` block runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

Replacement = tuple[object, str, object]
"""A module or class, the name of one of its attributes, and what stands there instead."""

Broken = Callable[[], Iterator[Replacement]]


@dataclass(frozen=True)
class Mutant:
    """One broken build. words: what is wrong with it, and why somebody might write it"""

    name: str
    words: str
    replacements: Broken

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The build is broken inside and whole again after it; state that it keeps is new each time."""
        with ExitStack() as stack:
            for target, attribute, broken in self.replacements():
                stack.enter_context(patch.object(target, attribute, broken))
            yield


def mutants_of(*broken: Broken) -> dict[str, Mutant]:
    """Mutants named after the functions that make them, described by their docstrings."""
    made = [Mutant(each.__name__, " ".join(str(each.__doc__).split()), each) for each in broken]
    return {mutant.name: mutant for mutant in made}
