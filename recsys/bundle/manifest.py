"""The manifest of a bundle: what it contains, how it is to be scored, what it claims, and its seal."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from recsys.errors import BundleError
from recsys.features.sequences import SequenceConfig

SCHEMA_VERSION = 2
FEATURE_VERSION = 1
MODEL_VERSION_LENGTH = 16
MANIFEST_FILE = "manifest.json"
SHAPING = {"schema_version", "catalogue_hash", "feature_version", "files", "sequence", "blend", "blocks"}
"""The fields that shape an answer; the model version is made of these."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Span = Annotated[tuple[int, int], Field(description="first column of a block, and the one past its last")]


class Stamp(StrEnum):
    """Why a metric may stand in a manifest that leaves the silos. There is no fourth kind."""

    SIMULATED = "simulated data"
    RESEARCH = "research data, outside the claim"
    CHARGED = "charged"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SequenceSpec(_Part):
    """`recsys.features.sequences.SequenceConfig` as it stands in a file, field by field."""

    max_items: int = Field(50, ge=1, le=10_000)
    decay: float = Field(0.9, gt=0, le=1)
    view: float = Field(0.3, ge=0)
    cart: float = Field(0.6, ge=0)
    purchase: float = Field(1.0, ge=0)
    rating: float = Field(0.5, ge=0)
    needs_order: bool = True

    def config(self) -> SequenceConfig:
        """The configuration that `encode` takes."""
        return SequenceConfig(**self.model_dump())

    @classmethod
    def of(cls, config: SequenceConfig) -> SequenceSpec:
        """The specification of a configuration in use."""
        return cls(**{name: getattr(config, name) for name in cls.model_fields})


class BlendSpec(_Part):
    """Public constants of the score: own * exp(own_appeal * a) + weight * n**activity * exp(min(a, cap)).

    a is log pi - max log pi + s; for the customer's own items only own_similarity of s counts, as a purchase
    says more than likeness to itself. n is the number of the customer's baskets; own_decay the decay per
    basket of the own repeat scores.
    """

    weight: float = Field(1.0, ge=0)
    activity: float = Field(0.0, ge=0, le=2)
    cap: float = Field(3.0, le=50)
    own_decay: float = Field(0.9, gt=0, le=1)
    own_appeal: float = Field(0.0, ge=0, le=1)
    own_similarity: float = Field(1.0, ge=0, le=1)


class Metrics(_Part):
    """Evaluation figures, with the stamp that allows them to be here."""

    stamp: Stamp
    values: dict[str, float]


class Manifest(_Part):
    """What `manifest.json` says.

    files: SHA-256 by file name. blocks: the columns of the vectors that each model published. model_version:
    a prefix of the hash over everything that shapes an answer, so equal content has an equal version. The
    seal covers every field; like all hashes here it shows damage and mix-ups, it is not a signature.
    """

    schema_version: int = SCHEMA_VERSION
    model_version: str
    created_at: str
    catalogue_hash: Sha256
    n_items: int = Field(ge=1)
    feature_version: int = FEATURE_VERSION
    files: dict[str, Sha256]
    sequence: SequenceSpec
    blend: BlendSpec
    blocks: dict[str, Span]
    metrics: Metrics | None = None
    privacy_statement: dict[str, JsonValue] = Field(default_factory=dict)
    parent: str | None = None

    @model_validator(mode="after")
    def _version_fits(self) -> Manifest:
        if self.model_version != self.content_version():
            raise ValueError(f"model_version '{self.model_version}' is not that of its content")
        return self

    def content_version(self) -> str:
        """The version that this content must carry."""
        return _digest(self.model_dump(mode="json", include=SHAPING))[:MODEL_VERSION_LENGTH]

    @classmethod
    def of(
        cls,
        files: dict[str, str],
        *,
        created_at: str,
        catalogue_hash: str,
        n_items: int,
        sequence: SequenceSpec,
        blend: BlendSpec,
        blocks: dict[str, tuple[int, int]],
    ) -> Manifest:
        """A manifest for these files, with the version that their content gives."""
        fields: dict[str, Any] = {
            "files": files,
            "created_at": created_at,
            "catalogue_hash": catalogue_hash,
            "n_items": n_items,
            "sequence": sequence,
            "blend": blend,
            "blocks": blocks,
        }
        draft = cls.model_construct(model_version="", **fields)
        return cls(model_version=draft.content_version(), **fields)

    @property
    def seal(self) -> str:
        """SHA-256 over all fields."""
        return _digest(self.model_dump(mode="json"))

    def to_json(self) -> bytes:
        """The text of `manifest.json`, seal included; equal manifests give equal bytes."""
        fields = {**self.model_dump(mode="json"), "seal": self.seal}
        return (json.dumps(fields, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes, where: str = MANIFEST_FILE) -> Manifest:
        """Read and check a manifest. Raises BundleError that names `where` and the field."""
        fields = _parsed(text, where)
        _check_versions(fields, where)
        seal = fields.pop("seal", None)
        try:
            manifest = cls.model_validate_json(json.dumps(fields), strict=False)
        except ValidationError as error:
            raise BundleError(f"{where}: {_first(error)}; fetch or publish the bundle again") from None
        if seal != manifest.seal:
            raise BundleError(
                f"{where}: its seal does not match its fields; fetch or publish the bundle again"
            )
        return manifest


def _digest(fields: dict[str, Any]) -> str:
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _parsed(text: bytes, where: str) -> dict[str, JsonValue]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise BundleError(f"{where}: not JSON ({error}); fetch or publish the bundle again") from None
    if not isinstance(fields, dict):
        raise BundleError(f"{where}: not a JSON object; fetch or publish the bundle again")
    return fields


def _check_versions(fields: dict[str, JsonValue], where: str) -> None:
    for name, known in (("schema_version", SCHEMA_VERSION), ("feature_version", FEATURE_VERSION)):
        found = fields.get(name)
        if isinstance(found, int) and found > known:
            raise BundleError(
                f"{where}: {name} {found} is newer than the {known} this program reads; upgrade thousandfaces"
            )
        if found != known:
            raise BundleError(
                f"{where}: {name} is {found!r}, expected {known}; train and publish the bundle again"
            )


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    field = ".".join(map(str, problem["loc"])) or "content"
    return f"field '{field}': {problem['msg']}"
