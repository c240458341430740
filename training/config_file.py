"""Reads a training configuration: `train.toml`, overrides by key, and errors that name what is wrong."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recsys.errors import ConfigError
from training.config import TrainingConfig


def load_config(
    path: Path | None, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> TrainingConfig:
    """Read `train.toml` (or the defaults), then `key=value` overrides, then the command line's own options.

    Raises ConfigError naming the file, the key and the value.
    """
    values = read_toml(path) if path else {}
    for override in overrides:
        _apply(values, override)
    values.update({key: value for key, value in (options or {}).items() if value is not None})
    return parse_config(values, source=str(path or "--set"))


def parse_config(values: Mapping[str, Any], *, source: str) -> TrainingConfig:
    """Check configuration values. Raises ConfigError naming the source, the first wrong key and its value."""
    try:
        return TrainingConfig.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def _explain(error: ValidationError, source: str) -> str:
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"])) or "(whole file)"
    if first["type"] == "extra_forbidden":
        return f"{source}: unknown key '{key}'; remove it or correct it (see 'thousandfaces train --help')"
    value = first["input"]
    shown = repr(value) if isinstance(value, (str, int, float, bool)) else "this table"
    return f"{source}: key '{key}', value {shown}: {first['msg'].removeprefix('Value error, ')}; correct it"


def read_toml(path: Path) -> dict[str, Any]:
    """A configuration file as nested tables. Raises ConfigError naming the file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; give an existing one with --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not readable as TOML ({error}); correct the file") from None


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {override!r}: write key=value, for example --set towers.steps=30")
    *sections, last = key.strip().split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(
                f"--set {override!r}: '{section}' is a value, not a section; drop what follows it"
            )
    values[last] = _literal(text.strip())


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
