"""The coordinator's run: meet the silos, plan, stages, receipts, bundle, record. It never sees a customer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recsys.bundle.contents import Bundle
from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import ConfigError, VoidReleaseError
from recsys.privacy.ledger import Ledger
from recsys.privacy.statement import DataKind
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.words import counted
from training.build import train_models
from training.checkpoint import FINISHED, VOID, RunFolder, open_run
from training.config import SEASON, TrainingConfig
from training.lifetimes import remember
from training.messages import RECEIPTS
from training.plan import left_out, plan_of
from training.progress import Progress
from training.publish import Models, fuse_blocks, publish_run
from training.run import TrainingResult
from training.session import Session
from training.settle import STATEMENT, settle
from training.stages import NO_SEASON, run_metrics
from training.strategy import Rounds, Rules
from training.tracking import CANDIDATE, record_run, record_void

if TYPE_CHECKING:
    from flwr.serverapp import Grid

REPORT = "report.json"


def coordinate(grid: Grid, config: TrainingConfig, *, progress: Progress, resume: bool) -> TrainingResult:
    """Run the whole training over a grid of silos. Errors: see `training.run.run_training`."""
    federation = FederationConfig.load(config.federation)
    declared = federation.silo_configs()
    catalogue = federation.read_catalogue()
    kind = data_kind(config, federation)
    folder = open_run(config.output, _identity(config, federation, declared, catalogue), resume=resume)
    with folder.locked():
        session = _begin(grid, config, federation, declared, catalogue, folder, progress)
        try:
            report = _run(session, kind)
        except VoidReleaseError as error:
            folder.mark(status=VOID, void=str(error))
            record_void(session, str(error))
            raise
        folder.write_json(REPORT, report)
        folder.mark(status=FINISHED)
    return TrainingResult(folder.run_id, folder.path, folder.bundle, session.plan, report)


def _run(session: Session, kind: DataKind) -> dict[str, Any]:
    folder, models = session.folder, train_models(session)
    figures = run_metrics(session, models.popularity, *fuse_blocks(models, session.config.fusion))
    report = settle(session, kind) | {"data_kind": kind.value, "attempts": session.attempt}
    if report["void"]:
        raise VoidReleaseError(f"what ran is not what was assumed: {report['void'][0]}; the run is void")
    report |= {"missed_rounds": dict(session.rounds.missed), "metrics": figures}
    report |= {"left_out": _left_out(session, models)}
    bundle = publish_run(session, models, folder.read_json(STATEMENT), figures)
    # Whole ones: finer, they follow how many customers a silo's steps drew.
    seconds = {stage: round(spent) for stage, spent in session.seconds.items()}
    report |= {"model_version": bundle.version, "seconds": seconds}
    release = record_run(session, report, models.curves)
    _note_model(session, bundle)
    return report | {"model": {"name": release.name, "version": release.version, "alias": CANDIDATE}}


def _left_out(session: Session, models: Models) -> dict[str, str]:
    """Mechanisms with a share that the run did without, or that found nothing to publish, and why."""
    timestamps = bool(session.rounds.with_ordering(Ordering.TIMESTAMP))
    shares = session.config.privacy.shares.as_dict()
    why = left_out(session.config, session.catalogue, timestamps=timestamps)
    found = {name: words for name, words in why.items() if name in shares}
    if session.plan.has(SEASON) and SEASON not in models.intervals:
        found[SEASON] = NO_SEASON
    return found


def _note_model(session: Session, bundle: Bundle) -> None:
    """Once, a row in the coordinator's ledger: which model came of what the silos were charged for."""
    mirror = Ledger(session.folder.ledger)
    if not any(row.kind == "model" for row in mirror.rows()):
        words = {"model_version": bundle.version, "manifest_seal": bundle.manifest.seal}
        run = {"run_id": session.folder.run_id, "plan_fingerprint": session.plan.fingerprint()}
        mirror.record_model("", {**words, **run, "statement": bundle.statement["id"]})


def data_kind(config: TrainingConfig, federation: FederationConfig) -> DataKind:
    """What the data are: configured, declared by the world, or (the strictest) production.

    Raises ConfigError for an unknown kind, or for research data without the flag that says what they are.
    """
    kind = str(config.data_kind or federation.world.get("data_kind", "production"))
    if kind not in [known.value for known in DataKind]:
        raise ConfigError(
            f"{config.federation}: data_kind {kind!r} is unknown; use one of {', '.join(DataKind)}"
        )
    if kind == "research" and not config.research_data:
        raise ConfigError(
            f"{config.federation}: research data is outside the privacy claim; say so with --research-data"
        )
    return DataKind(kind)


def _begin(
    grid: Grid,
    config: TrainingConfig,
    federation: FederationConfig,
    declared: tuple[SiloConfig, ...],
    catalogue: Catalogue,
    folder: RunFolder,
    progress: Progress,
) -> Session:
    progress("silos", 0, 1)
    begin = time.perf_counter()
    rounds = Rounds(grid, _rules(config, len(declared)), _header(config, catalogue, folder))
    rounds.meet(frozenset(silo.name for silo in declared))
    # Before anything is spent: who answers now and is away at the end is not forgotten.
    remember(config.output, rounds.ask_all(RECEIPTS))
    progress("silos", 1, 1)
    progress("plan", 0, 1)
    plan = plan_of(
        folder,
        config,
        catalogue,
        registered_customers={silo.name: silo.registered_customers for silo in declared},
        max_silos_per_person=federation.max_silos_per_person,
        timestamps=bool(rounds.with_ordering(Ordering.TIMESTAMP)),
    )
    settings = config.silo_settings(ordered=not rounds.with_ordering(Ordering.NONE))
    rounds.announce(plan=plan.to_json(), fingerprint=plan.fingerprint(), settings=settings.model_dump_json())
    progress("plan", 1, 1)
    seconds = {"plan": time.perf_counter() - begin}
    return Session(config, settings, catalogue, plan, folder, rounds, progress, seconds, federation.silo_rule)


def _rules(config: TrainingConfig, silos: int) -> Rules:
    quorum = -(-2 * silos // 3) if config.quorum is None else config.quorum
    if quorum > silos:
        raise ConfigError(f"key 'quorum', value {quorum}: more than {counted(silos, 'silo')}; lower it")
    return Rules(quorum, config.deadline_seconds)


def _header(config: TrainingConfig, catalogue: Catalogue, folder: RunFolder) -> Mapping[str, str | int]:
    return {
        "run_id": folder.run_id,
        "attempt": int(folder.state()["attempts"]),
        "catalogue": catalogue.hash,
        "requester": config.requester,
        "approver": config.approver or "",
    }


def _identity(
    config: TrainingConfig,
    federation: FederationConfig,
    declared: tuple[SiloConfig, ...],
    catalogue: Catalogue,
) -> dict[str, Any]:
    return {
        "config": config.identity(),
        "catalogue": catalogue.hash,
        "silos": {silo.name: silo.registered_customers for silo in declared},
        "max_silos_per_person": federation.max_silos_per_person,
    }
