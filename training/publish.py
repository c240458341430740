"""From trained parts to a bundle: blocks side by side, one user tower, one index, written whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.bundle.contents import Bundle, Parts, assemble
from recsys.bundle.manifest import BlendSpec, Metrics, SequenceSpec, Stamp
from recsys.bundle.store import read_bundle, write_bundle
from recsys.features.profile import TasteProfile
from recsys.models.followup_rules import FollowUp
from training.scopes import sequence_config
from training.sections import FusionSettings
from training.session import Arrays, Session

PROFILE = "profile"


@dataclass(frozen=True)
class Block:
    """What one model gives every item: score(customer, j) = (sum of w_i history_table_i) . vectors_j.

    vectors, history_table: float [n_items, d]
    """

    name: str
    vectors: NDArray[Any]
    history_table: NDArray[Any]


@dataclass(frozen=True)
class Models:
    """All that training made, from noised and charged numbers alone.

    popularity: float64 [n_items], sums to 1; profile: tastes read off public features; neighbours, lifts:
    [n_items, m], as in `recsys.bundle.contents.Parts`; curves: public numbers by round; follow_ups: None
    where they were not looked for; demand: none where sales were not foreseen
    """

    popularity: NDArray[np.float64]
    blocks: tuple[Block, ...]
    profile: TasteProfile
    neighbours: NDArray[np.int32]
    lifts: NDArray[np.float32]
    intervals: Arrays
    curves: Mapping[str, Sequence[float]]
    follow_ups: tuple[FollowUp, ...] | None = None
    demand: Arrays = field(default_factory=dict)


def columns(models: Models) -> dict[str, tuple[int, int]]:
    """Which columns of the vectors each block takes; the profile's are the last."""
    widths = {block.name: block.vectors.shape[1] for block in models.blocks} | {PROFILE: len(models.profile)}
    ends = np.cumsum(list(widths.values())).tolist()
    spans = {name: (end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)}
    return {name: span for name, span in spans.items() if span[0] < span[1]}


def fuse_blocks(models: Models, weights: FusionSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Late fusion with fixed public weights: the blocks' scores add up, each times its weight.

    Returns vectors and history table, float32 [n_items, sum of the learned blocks' widths] each.
    """
    nothing = np.zeros((len(models.popularity), 0))
    vectors = [getattr(weights, block.name, 1.0) * block.vectors for block in models.blocks]
    tables = [block.history_table for block in models.blocks]
    return np.hstack([nothing, *vectors]).astype(np.float32), np.hstack([nothing, *tables]).astype(np.float32)


def fuse(models: Models, weights: FusionSettings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The learned blocks as in `fuse_blocks`, and the taste profile's columns after them."""
    features = models.profile.items().astype(np.float32)
    vectors, tables = fuse_blocks(models, weights)
    return np.hstack([vectors, features]), np.hstack([tables, features])


def publish_run(
    session: Session, models: Models, statement: Mapping[str, Any], figures: Mapping[str, float]
) -> Bundle:
    """Fuse, export, index and write the run's bundle; one that an earlier attempt wrote whole is kept.

    figures: noised and charged ones alone (`training.evaluation`), for the manifest.
    Raises BundleError if the folder holds something else.
    """
    with session.stage("bundle"):
        folder = session.folder.bundle
        if not folder.exists():
            bundle = _assembled(session, _parts(session, models, statement), models)
            charged = Metrics(stamp=Stamp.CHARGED, values=dict(figures)) if figures else None
            write_bundle(folder, bundle.with_manifest(metrics=charged))
        return read_bundle(folder)


def _parts(session: Session, models: Models, statement: Mapping[str, Any]) -> Parts:
    from recsys.towers.export import check_parity, export_user_tower

    vectors, history_table = fuse(models, session.config.fusion)
    tower = export_user_tower(history_table, models.profile)
    check_parity(tower, history_table, models.profile)
    return Parts(
        catalogue=session.catalogue,
        vectors=vectors,
        history_table=history_table,
        log_popularity=np.log(models.popularity).astype(np.float32),
        user_tower=tower,
        neighbours=models.neighbours,
        lifts=models.lifts,
        intervals=models.intervals,
        statement=statement,
        follow_ups=models.follow_ups,
        demand=models.demand,
    )


def _assembled(session: Session, parts: Parts, models: Models) -> Bundle:
    blend = session.config.blend
    bundle = assemble(
        parts,
        sequence=SequenceSpec.of(sequence_config(session.settings.sequences)),
        blend=BlendSpec(**blend.model_dump()),
        blocks=columns(models),
        created_at=session.folder.created_at,
    )
    short = {name: parts.statement[name] for name in ("id", "stamp", "epsilon", "run_epsilon", "delta")}
    return bundle.with_manifest(privacy_statement=short)
