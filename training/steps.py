"""Which steps of a reservation were drawn: kept on the silo's disk before each draw, whoever asks for them.

The framework keeps a node's state too, but only after it has sent the reply, and it hands one state to two
messages that are handled at once. What is charged for must not hang on either.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from recsys.errors import LedgerError, PlanError


def claim(path: Path, row: int, key: str, number: int) -> int:
    """Take round `number` of the block `key`, charged in ledger row `row`; how many were taken before it.

    path: a text file beside the ledger, made if there is none: a line for each round, appended to alone.

    Guarantee: durable before it returns, and no round of a block is ever given out twice, by any process.
    Raises PlanError for a round that was given out, or that lies before one that was; LedgerError if the file
    cannot be written.
    """
    block = f"{row}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    try:
        with path.open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            lines = (line.split() for line in file)
            taken = [int(words[1]) for words in lines if len(words) == 2 and words[0] == block]
            if taken and number <= max(taken):
                raise PlanError(f"round {number} has been released before; a release is never repeated")
            file.write(f"\n{block} {number}\n")  # the first break ends a line that a crash tore
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise LedgerError(
            f"{path}: cannot be written ({error.strerror}); nothing was drawn; repair the folder or the disk"
        ) from error
    return len(taken)
