"""What the model API gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from serving.schemas import StatementOut


class ModelOut(BaseModel):
    """The served model and what it promises."""

    silo: str
    model_version: str
    created_at: str
    items: int
    privacy_statement: StatementOut
    in_plain_words: str
    now: datetime


class ReadyOut(BaseModel):
    """What this server is ready to answer with."""

    status: str
    silo: str
    model_version: str


MODEL_EXAMPLE: dict[str, Any] = {
    "silo": "north",
    "model_version": "2f6c1e0b9a8d7c55",
    "created_at": "2026-03-01T04:00:00+00:00",
    "items": 2000,
    "privacy_statement": {"id": "ps-5f2c", "epsilon": 4.0, "delta": 1e-6, "unit": "customer"},
    "in_plain_words": "Suppose somebody sees everything that the silos ever published for this model …",
    "now": "2026-03-02T08:20:00Z",
}
