"""The rounds that learn when customers buy again: parameters out, noised gradient sums in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recsys.data.history import Ordering
from recsys.models import rhythm
from recsys.models.hazard import appeal
from recsys.models.intervals import usual_gaps
from training.config import RHYTHM
from training.session import Arrays, Session
from training.stages import noised_total

CHECKPOINT = f"{RHYTHM}.safetensors"


def run_rhythm(session: Session, popularities: NDArray[np.float64], gaps: Arrays) -> Arrays:
    """The hazard's arrays, from the silos with timestamps; empty without a share.

    Every round is kept once it is done: after an interruption the round that was under way is asked for
    again, and charged again.
    gaps: what `run_intervals` published; it says what is usual for an item.
    """
    if not session.plan.has(RHYTHM):
        return {}
    rounds = session.plan.release(RHYTHM).rounds
    timed = session.rounds.with_ordering(Ordering.TIMESTAMP)
    public = {"popularity": popularities, "usual": usual_gaps(gaps, session.catalogue)}
    sums, stds = _restored(session)
    with session.timed(RHYTHM):
        while len(sums) < rounds:
            session.progress(RHYTHM, len(sums), rounds)
            moved = {"parameters": rhythm.moved_by(sums, stds, rounds)}
            noised = noised_total(
                session, RHYTHM, rhythm.LENGTH, number=len(sums), among=timed, arrays=public | moved
            )
            sums.append(noised.values)
            stds.append(noised.noise_std)
            session.folder.write_arrays(CHECKPOINT, {"sums": np.array(sums), "stds": np.array(stds)})
    session.progress(RHYTHM, rounds, rounds)
    return {"hazard": rhythm.published(sums, stds, rounds), "appeals": appeal(popularities)}


def _restored(session: Session) -> tuple[list[NDArray[np.float64]], list[float]]:
    if not session.folder.has(CHECKPOINT):
        return [], []
    saved = session.folder.read_arrays(CHECKPOINT)
    return list(saved["sums"]), saved["stds"].tolist()
