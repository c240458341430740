"""The due list as a file: what it says of the other customers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys.bundle.contents import Bundle
from recsys.data.history import Ordering
from recsys.silos.config import SiloConfig
from serving.replenishment.duelist import write_due_list
from serving.replenishment.rows import Question

WITHIN, LEAST, MOST = 365.0, 0.0, 5


def has_list(bundle: Bundle, silo: Path) -> bool:
    """Whether there is a model for it, and timestamps."""
    return bool(bundle.intervals) and SiloConfig.load(silo).base_silo().ordering is Ordering.TIMESTAMP


def rows_of_others(bundle: Bundle, silo: Path, gone: str, now: datetime) -> pa.Table:
    """The file's rows but those of `gone`, written as an operator writes it.

    Raises what `write_due_list` raises.
    """
    config, out = SiloConfig.load(silo), silo.with_name("due.parquet")
    question = Question(int(now.timestamp()), config.timezone, 3.0, WITHIN, LEAST, MOST)
    write_due_list(config.training_silo(), bundle, question, out)
    rows = pq.read_table(out)
    return rows.filter(pc.not_equal(rows["customer_id"], gone))
