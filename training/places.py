"""What is public of a silo's stores and shelves: its answer to the coordinator, and how that is read.

Areas and items come from the silo's stores and items tables, which no customer changes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.areas import ELSEWHERE, area_names
from recsys.data.contracts import Table
from recsys.data.vocab import Catalogue
from recsys.errors import TrainingError
from recsys.models.demand_fit import SiloFacts
from recsys.silos.base import Silo

AREAS, CARRIED = "areas", "carried"


def public_fields(silo: Silo, catalogue: Catalogue) -> dict[str, str]:
    """The silo's areas and which of the catalogue's items it carries, as texts. Raises DataContractError."""
    positions = catalogue.indices(silo.read(Table.ITEMS)["item_id"])
    carried = np.zeros(len(catalogue), np.bool_)
    carried[positions[positions >= 0]] = True
    bits = base64.b64encode(np.packbits(carried).tobytes()).decode()
    return {AREAS: json.dumps(area_names(silo.read(Table.STORES))), CARRIED: bits}


def read_facts(silo: str, fields: Mapping[str, Any], catalogue: Catalogue) -> SiloFacts:
    """What `public_fields` says. Raises TrainingError naming the silo for anything else."""
    try:
        areas = json.loads(str(fields[AREAS]))
        carried = _bits(base64.b64decode(str(fields[CARRIED]), validate=True), len(catalogue))
    except (KeyError, ValueError, RecursionError, binascii.Error):
        raise TrainingError(f"silo '{silo}' does not say which areas and items it has") from None
    if not _are_areas(areas):
        raise TrainingError(f"silo '{silo}' names areas that cannot be: {areas!r:.200}")
    return SiloFacts(tuple(areas), carried)


def _are_areas(areas: Any) -> bool:
    """Whether these are texts, each once, the silo as a whole first; half a character is no text."""
    if not isinstance(areas, list) or not all(isinstance(area, str) for area in areas):
        return False
    whole = all(area == area.encode(errors="ignore").decode() for area in areas)
    return whole and areas[:1] == [ELSEWHERE] and len(set(areas)) == len(areas)


def _bits(packed: bytes, count: int) -> NDArray[np.bool_]:
    if len(packed) != -(-count // 8):
        raise ValueError("another number of items")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=count).astype(np.bool_)
