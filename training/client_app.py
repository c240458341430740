"""The silos' Flower app: a thin shell around `training.node`. What goes wrong leaves as a code."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message
from flwr.clientapp import ClientApp

from recsys.errors import (
    ApprovalRequiredError,
    BudgetExceededError,
    ConfigError,
    LedgerError,
    PlanError,
    VoidReleaseError,
)
from recsys.privacy.charge import to_json
from recsys.privacy.charged import to_report
from recsys.privacy.ledger import Receipt
from recsys.silos.config import FederationConfig
from training.config import (
    COPURCHASE,
    DEMAND,
    FOLLOWUPS,
    INTERVALS,
    METRICS,
    POPULARITY,
    RHYTHM,
    SEASON,
    TOWERS,
)
from training.egress import Status
from training.messages import Request, Scalar, decode_request, encode_reply
from training.node import Block, CatalogueDiffersError, Node, node_for
from training.spend import Released

BLOCK = "block"
_log = logging.getLogger(__name__)

Fields = dict[str, Scalar]
Handler = Callable[[Node, Request, Context], tuple[Fields, Released | None]]

_CODES = (
    (VoidReleaseError, Status.VOID_RELEASE),
    (ApprovalRequiredError, Status.APPROVAL_REQUIRED),
    (BudgetExceededError, Status.BUDGET_EXCEEDED),
    (LedgerError, Status.LEDGER_UNAVAILABLE),
    (CatalogueDiffersError, Status.CATALOGUE_DIFFERS),
    (PlanError, Status.PLAN_REFUSED),
)

app = ClientApp()


@app.query("hello")
def hello(message: Message, context: Context) -> Message:
    """Who this silo is: its name and its registered public constants."""
    return _answer(message, context, _hello)


@app.query("receipts")
def receipts(message: Message, context: Context) -> Message:
    """Everything that this run was charged here, and the events of the ledger's lifetime."""
    return _answer(message, context, _receipts)


@app.query("places")
def places(message: Message, context: Context) -> Message:
    """The silo's store areas and the items that it carries."""
    return _answer(message, context, _places)


@app.train(POPULARITY)
@app.train(INTERVALS)
@app.train(COPURCHASE)
@app.train(RHYTHM)
@app.train(SEASON)
@app.train(FOLLOWUPS)
@app.train(DEMAND)
@app.train(TOWERS)
@app.train(METRICS)
def release(message: Message, context: Context) -> Message:
    """One noised and charged sum for the stage that the request names."""
    return _answer(message, context, _release)


def _answer(message: Message, context: Context, handler: Handler) -> Message:
    echo: Fields = {}
    try:
        request = decode_request(message)
        echo = {name: request.fields[name] for name in ("stage", "round") if name in request.fields}
        node = _node(context)
        echo["silo"] = node.config.name
        fields, released = handler(node, request, context)
        return Message(encode_reply({**echo, **fields, "status": Status.OK}, released), reply_to=message)
    except Exception as error:  # noqa: BLE001  an exception's text would reach the coordinator verbatim
        # The silo's own log may name its data; the reply is a code.
        _log.error("silo %s refused or failed: %s: %s", echo.get("silo", "?"), type(error).__name__, error)
        return Message(encode_reply({**echo, **_refusal(context, error)}), reply_to=message)


def _refusal(context: Context, error: Exception) -> Fields:
    """The code of what went wrong, and what is left under the silo's cap where that is the reason."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Status.FAILED)
    if code is not Status.BUDGET_EXCEEDED:
        return {"status": code}
    try:
        return {"status": code, "epsilon_left": _node(context).epsilon_left()}
    except LedgerError:
        return {"status": Status.LEDGER_UNAVAILABLE}


def _hello(node: Node, request: Request, _context: Context) -> tuple[Fields, None]:
    node.check_catalogue(request)
    registered = node.config.registered_customers
    return {"registered_customers": registered, "ordering": node.silo.ordering.value}, None


def _places(node: Node, request: Request, _context: Context) -> tuple[Fields, None]:
    node.check_catalogue(request)
    return {**node.places()}, None


def _receipts(node: Node, request: Request, _context: Context) -> tuple[Fields, None]:
    ledger = node.ledger()
    charged = ledger.receipts(run_id=request.text("run_id"))
    lifetime = to_json(to_report(ledger.charges()))
    return {"receipts": _listed(charged), "events": lifetime, "ledger_head": ledger.head()}, None


def _release(node: Node, request: Request, context: Context) -> tuple[Fields, Released]:
    answer = node.release(request, _open_block(context))
    _keep_block(context, answer.block)
    fields: Fields = {"plan": request.text("fingerprint")}
    if answer.receipts:
        fields["receipts"] = _listed(answer.receipts)
    return fields, answer.released


def _listed(charged: list[Receipt] | tuple[Receipt, ...]) -> str:
    return json.dumps([receipt.to_json() for receipt in charged])


def _node(context: Context) -> Node:
    """This process's silo: by path in a deployment, by position where silos share a process.

    A deployed node takes both paths from its own settings: the coordinator does not choose what it reads.
    Raises ConfigError saying which settings a node needs.
    """
    own, shared = context.node_config, context.run_config
    if own.get("silo-config") and own.get("federation"):
        return node_for(_absolute(own["silo-config"]), _absolute(own["federation"]))
    if "partition-id" in own and shared.get("federation"):
        federation = _absolute(shared["federation"])
        paths = FederationConfig.load(federation).silos
        return node_for(paths[int(own["partition-id"])].absolute(), federation)
    raise ConfigError(
        "the node lacks the paths of its silo.toml and of its copy of federation.toml; start it with "
        '--node-config \'silo-config="..." federation="..."\''
    )


def _absolute(path: object) -> Path:
    return Path(str(path)).absolute()


def _open_block(context: Context) -> Block | None:
    record = context.state.get(BLOCK)
    if not isinstance(record, ConfigRecord):
        return None
    number = {name: int(str(record[name])) for name in ("row", "used", "next_round")}
    return Block(key=str(record["key"]), **number)


def _keep_block(context: Context, block: Block | None) -> None:
    if block is not None:
        context.state[BLOCK] = ConfigRecord(dict(asdict(block)))
    elif BLOCK in context.state:
        del context.state[BLOCK]
