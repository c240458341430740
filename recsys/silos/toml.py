"""TOML files as pydantic models; whatever is wrong names the file, the key and the value."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, PlainValidator, ValidationError, ValidationInfo

from recsys.errors import ConfigError
from recsys.privacy.stores.base import is_url

M = TypeVar("M", bound=BaseModel)


def _resolve(path: Path, info: ValidationInfo) -> Path:
    base: Path = (info.context or {}).get("base", Path())
    return base / path.expanduser()


FilePath = Annotated[Path, AfterValidator(_resolve)]
"""A path in a configuration file; relative ones are relative to the file itself."""


def _resolve_place(value: Any, info: ValidationInfo) -> Path | str:
    if not isinstance(value, Path | str) or not str(value):
        raise ValueError("give the path of a file, or a postgresql:// URL")
    return str(value) if is_url(value) else _resolve(Path(value), info)


LedgerPlace = Annotated[Path | str, PlainValidator(_resolve_place)]
"""Where a ledger is: a path as above, or a `postgresql://` URL."""


def load_model(path: Path, model: type[M]) -> M:
    """Read a TOML file into a pydantic model; ConfigError names the file, the key and the value."""
    try:
        return model.model_validate(_parse(path), context={"base": path.parent})
    except ValidationError as error:
        raise ConfigError(f"{path}: {_first_problem(error)}") from None


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the path of a TOML file") from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); check the path and its rights"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}; correct that line") from None


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in problem["loc"]) or "(file)"
    if problem["type"] == "missing":
        return f"key '{key}' is missing; add it"
    if problem["type"] == "extra_forbidden":
        return f"key '{key}', value {problem['input']!r}: unknown key; correct its spelling or remove it"
    reason = problem["msg"].removeprefix("Value error, ")
    value = "" if isinstance(problem["input"], dict) else f", value {problem['input']!r}"
    return f"key '{key}'{value}: {reason[:1].lower()}{reason[1:]}"
