"""A silo's side of a run, without Flower: checks requests against its own limits, spends, releases."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from recsys.data.history import Ordering
from recsys.data.vocab import Catalogue
from recsys.errors import OrderingError, PlanError, TrainingError
from recsys.models.category_scope import check_excluded
from recsys.privacy.ledger import Charge, Ledger, Receipt, planned_charge
from recsys.privacy.plan import PrivacyPlan
from recsys.privacy.snapshot import snapshot_hmac, snapshot_key
from recsys.silos.base import Silo
from recsys.silos.config import FederationConfig, SiloConfig
from recsys.silos.ledger import open_ledger
from training import loading, local
from training.config import DEMAND, FOLLOWUPS, METRICS, RHYTHM, SEASON, TIMED, TOWERS, SiloSettings
from training.exact import end_day, held_out
from training.loading import TrainingData
from training.makers import MAKERS
from training.messages import Request
from training.places import public_fields
from training.spend import Released, reopen, reserve, spending
from training.steps import claim
from training.told import check_told

TRAINING, EVALUATION = "training", "evaluation"
"""What a release is for: the purposes that a silo may cap apart."""


class CatalogueDiffersError(TrainingError):
    """The coordinator's catalogue is not the silo's."""


@dataclass(frozen=True)
class Block:
    """An open reservation for a block of the towers' steps: which one, and what of it is used."""

    key: str
    row: int
    used: int
    next_round: int


@dataclass(frozen=True)
class Answer:
    """What a stage hands over: the noised sum, receipts of its charge, and the block if one stays open."""

    released: Released
    receipts: list[Receipt]
    block: Block | None = None


class Node:
    """One silo in one process. Its data are read once per run and never leave it."""

    def __init__(self, silo: SiloConfig, federation: FederationConfig) -> None:
        self.config, self._federation = silo, federation
        self.silo: Silo = silo.training_silo()
        self.catalogue: Catalogue = federation.read_catalogue()
        self._loaded: tuple[str, TrainingData, str] | None = None

    def ledger(self) -> Ledger:
        """The silo's own ledger, capped as silo.toml says. Raises LedgerError if it cannot be written."""
        return open_ledger(self.config)

    def epsilon_left(self) -> float:
        """What the silo's cap leaves; a function of past plans alone. Raises LedgerError."""
        ledger = self.ledger()
        cap = ledger.cap()
        return 0.0 if cap is None else max(0.0, cap.epsilon - ledger.epsilon(cap.delta))

    def check_catalogue(self, request: Request) -> None:
        """Raises CatalogueDiffersError unless both sides number items alike."""
        if request.text("catalogue") != self.catalogue.hash:
            raise CatalogueDiffersError(f"silo '{self.config.name}': the coordinator uses another catalogue")

    def places(self) -> dict[str, str]:
        """The silo's store areas and the items it carries, both public. Raises DataContractError."""
        return public_fields(self.silo, self.catalogue)

    def plan(self, request: Request) -> PrivacyPlan:
        """The request's privacy plan, if this silo's own limits allow it. Raises PlanError otherwise."""
        plan = PrivacyPlan.from_json(request.text("plan"))
        if plan.fingerprint() != request.text("fingerprint"):
            raise PlanError("the plan does not have the fingerprint it came with")
        _check_limits(plan, self.config, self._federation)
        return plan

    def release(self, request: Request, block: Block | None = None) -> Answer:
        """Reserve, compute, noise, commit.

        Raises PlanError, BudgetExceededError, LedgerError, ConfigError or DataContractError; then nothing was
        released.
        """
        self.check_catalogue(request)
        plan, ledger = self.plan(request), self.ledger()
        settings = SiloSettings.model_validate_json(request.text("settings"))
        stage = request.text("stage").partition(".")[2]
        if stage == TOWERS:
            return self._step(request, plan, ledger, settings, block)
        data, snapshot = self._data(request, settings)
        make, rounds = MAKERS[stage], plan.release(stage).rounds
        if not 0 <= request.number("round") < rounds:
            raise PlanError(f"'{stage}' has {rounds} rounds by the plan; none is {request.number('round')}")
        check_told(stage, request, settings, data.features)
        self._check_own(stage, data, settings)
        with spending(ledger, self._charge(request, plan, stage, snapshot, steps=1)) as reservation:
            released = make(data, plan, settings, request, reservation)
        return Answer(released, reservation.receipts())

    def _check_own(self, stage: str, data: TrainingData, settings: SiloSettings) -> None:
        """What is public, of silo and request. Raises ConfigError, OrderingError or PlanError."""
        if stage in TIMED and data.dataset.histories.ordering is not Ordering.TIMESTAMP:
            raise OrderingError(f"'{stage}' needs timestamps, which silo '{self.config.name}' does not have")
        if stage in (RHYTHM, SEASON, DEMAND):
            end_day(settings, self.silo.utc_offset_seconds)
        if stage == METRICS:
            held_out(data)
        if stage == FOLLOWUPS:
            where = f"silo '{self.config.name}': followups_exclude"
            check_excluded(self.config.followups_exclude, self.catalogue, where)
        if stage == DEMAND and len(data.areas) - 1 > settings.demand.max_areas:
            raise PlanError(f"{len(data.areas) - 1} store areas, places for {settings.demand.max_areas}")

    def _step(
        self, request: Request, plan: PrivacyPlan, ledger: Ledger, settings: SiloSettings, block: Block | None
    ) -> Answer:
        data, snapshot = self._data(request, settings)
        check_told(TOWERS, request, settings, data.features)
        number, end = request.number("round"), request.number("block_end")
        told = hashlib.sha256(request.text("settings").encode()).hexdigest()
        key = f"{request.text('run_id')}/{request.number('attempt')}/{end}/{told}"
        fresh = block is None or block.key != key
        if block is None or block.key != key:
            steps = end - number
            reservation = reserve(ledger, self._charge(request, plan, TOWERS, snapshot, steps))
            claim(self.config.step_log, reservation.row, key, number)
        elif number < block.next_round:
            raise PlanError(f"round {number} has been released before; a release is never repeated")
        else:
            used = claim(self.config.step_log, block.row, key, number)
            reservation = reopen(ledger, block.row, max(used, block.used))
        published, parameters = request.array("popularity"), request.array("parameters")
        released = local.tower_gradient(data, plan, settings, published, parameters, reservation)
        if number == end - 1:
            reservation.commit()
            return Answer(released, reservation.receipts())
        left = Block(key, reservation.row, reservation.used, number + 1)
        return Answer(released, reservation.receipts() if fresh else [], left)

    def _charge(
        self, request: Request, plan: PrivacyPlan, stage: str, snapshot: str, steps: int | None = None
    ) -> Charge:
        settings = request.text("settings")
        until = SiloSettings.model_validate_json(settings).until
        charge = planned_charge(
            plan,
            stage,
            silo=self.config.name,
            run_id=request.text("run_id"),
            purpose=EVALUATION if stage == METRICS else TRAINING,
            requester=request.text("requester"),
            approver=request.text("approver") or None,
            snapshot_hmac=snapshot,
            steps=steps,
        )
        return replace(
            charge,
            config_hash=hashlib.sha256(settings.encode()).hexdigest(),
            window=f"events before {until.isoformat()}" if until and stage != METRICS else "all events",
            retention=self.config.retention,
        )

    def _data(self, request: Request, settings: SiloSettings) -> tuple[TrainingData, str]:
        key = f"{request.text('run_id')}/{settings.model_dump_json()}"
        loaded = self._loaded
        if loaded is None or loaded[0] != key:
            data = loading.load(
                self.silo,
                self.catalogue,
                settings,
                max_silos_per_person=self._federation.max_silos_per_person,
                silos=len(self._federation.silos),
                hidden=self.config.followups_exclude,
            )
            loaded = self._loaded = (key, data, self._snapshot(request.text("run_id"), data))
        return loaded[1], loaded[2]

    def _snapshot(self, run_id: str, data: TrainingData) -> str:
        key = snapshot_key(self.config.snapshot_key)
        return snapshot_hmac(key, run_id, loading.snapshot_parts(data))


@lru_cache(maxsize=64)
def node_for(silo: Path, federation: Path) -> Node:
    """The process's node for a silo.toml and the silo's copy of federation.toml."""
    return Node(SiloConfig.load(silo), FederationConfig.load(federation))


def _check_limits(plan: PrivacyPlan, silo: SiloConfig, federation: FederationConfig) -> None:
    """The silo's own limits, none of which it takes from the coordinator."""
    refusals = {
        "target epsilon is above the silo's epsilon_cap": plan.target_epsilon > silo.epsilon_cap,
        "delta is above the silo's delta": plan.delta > silo.delta,
        "max_silos_per_person is not the federation's": plan.max_silos_per_person
        != federation.max_silos_per_person,
        "number of silos is above the federation's": len(plan.registered_customers) > len(federation.silos),
        "registered_customers is not the silo's": plan.registered(silo.name) != silo.registered_customers,
        "epsilon of its events is above its target": plan.epsilon() > plan.target_epsilon,
    }
    for refusal, applies in refusals.items():
        if applies:
            raise PlanError(f"silo '{silo.name}' refuses the plan: its {refusal}")
