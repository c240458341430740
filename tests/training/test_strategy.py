import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from recsys.errors import BudgetExceededError, PlanError, QuorumError, TrainingError
from training import spend
from training.messages import ARRAYS, FIELDS, decode_request, encode_reply
from training.simulate import in_process
from training.strategy import Rounds, Rules

NAMES = ["a", "b", "c"]
Make = Callable[[str, dict[str, Any]], RecordDict]


def ok(name: str, fields: dict[str, Any]) -> RecordDict:
    echo = {key: fields[key] for key in ("stage", "round")}
    released = spend.Released(np.float32([1, 2]), 1, spend._KEY) if "popularity" in fields["stage"] else None
    return encode_reply({**echo, "silo": name, "status": "ok", "ordering": "timestamp"}, released)


def failing(status: str, *broken: str, **more: Any) -> Make:
    def make(name: str, fields: dict[str, Any]) -> RecordDict:
        if name not in broken or "hello" in fields["stage"]:
            return ok(name, fields)
        return encode_reply({"silo": name, "status": status, "stage": fields["stage"], "round": 0, **more})

    return make


def app_of(make: Make, names: list[str] = NAMES) -> ClientApp:
    app = ClientApp()

    def answer(message: Message, context: Context) -> Message:
        request = decode_request(message)
        name = names[int(context.node_config["partition-id"])]
        return Message(make(name, dict(request.fields)), reply_to=message)

    app.query("hello")(answer)
    app.query("receipts")(answer)
    app.train("popularity")(answer)
    return app


def ask(make: Make, *, quorum: int = 2, names: list[str] = NAMES, **options: Any) -> dict[str, np.ndarray]:
    with in_process(app_of(make, names), nodes=len(names), run_config={}) as grid:
        rounds = Rounds(grid, Rules(quorum, 20.0), {"run_id": "r"})
        rounds.meet(frozenset(NAMES))
        assert rounds.with_ordering("none") == []
        return rounds.sums("train.popularity", length=2, **options)


def test_all_answer_and_sums_come_by_silo() -> None:
    assert sorted(ask(ok)) == NAMES
    assert sorted(ask(ok, among=["c", "a"])) == ["a", "c"]


def test_a_quorum_is_enough_and_less_is_not() -> None:
    assert sorted(ask(failing("failed", "b"))) == ["a", "c"]
    with pytest.raises(QuorumError, match=r"round 0: 1 silo answered .* quorum is 2; b: failed .*c: failed"):
        ask(failing("failed", "b", "c"))


def test_refusals_to_spend_are_told_as_such() -> None:
    with pytest.raises(PlanError, match=r"epsilon_cap"):
        ask(failing("plan-refused", "a", "b"))
    with pytest.raises(BudgetExceededError, match=r"a: budget-exceeded.*epsilon left 0\.25"):
        ask(failing("budget-exceeded", "a", "b", epsilon_left=0.25))


def test_malformed_sums_are_left_out() -> None:
    def short(name: str, fields: dict[str, Any]) -> RecordDict:
        if name == "b" and "hello" not in fields["stage"]:
            released = spend.Released(np.float32([1]), 1, spend._KEY)
            return encode_reply(
                {"silo": name, "status": "ok", "stage": fields["stage"], "round": 0}, released
            )
        return ok(name, fields)

    assert sorted(ask(short)) == ["a", "c"]


def test_an_answer_to_another_round_is_left_out() -> None:
    def stale(name: str, fields: dict[str, Any]) -> RecordDict:
        return ok(name, {**fields, "round": fields["round"] + (name == "b")})

    assert sorted(ask(stale)) == ["a", "c"]


def test_a_reply_with_an_undeclared_field_is_refused() -> None:
    def leaky(name: str, fields: dict[str, Any]) -> RecordDict:
        if name == "b" and "hello" not in fields["stage"]:
            leak = ConfigRecord({"silo": name, "status": "ok", "loss": 0.5})
            return RecordDict({FIELDS: leak, ARRAYS: ArrayRecord({"noised_sum": Array(np.float32([1, 2]))})})
        return ok(name, fields)

    assert sorted(ask(leaky)) == ["a", "c"]


def test_strangers_take_no_part_and_doubles_are_an_error() -> None:
    assert sorted(ask(ok, names=["a", "b", "x"])) == ["a", "b"]
    with pytest.raises(TrainingError, match="two nodes answer for one silo"):
        ask(ok, names=["a", "b", "a"])


def test_silos_that_connect_late_are_waited_for() -> None:
    with in_process(app_of(ok), nodes=3, run_config={}) as grid:
        all_nodes, asked = grid.get_node_ids(), []

        def growing() -> list[int]:
            asked.append(1)
            return all_nodes[: len(asked)]

        grid.get_node_ids = growing
        rounds = Rounds(grid, Rules(2, 20.0), {"run_id": "r"})
        rounds.meet(frozenset(NAMES))
        assert rounds.silos == NAMES


def test_silos_that_never_connect_are_not_waited_for_beyond_the_deadline() -> None:
    with in_process(app_of(ok, ["a"]), nodes=1, run_config={}) as grid:
        rounds = Rounds(grid, Rules(2, 0.3), {"run_id": "r"})
        with pytest.raises(QuorumError, match="1 silo answered"):
            rounds.meet(frozenset(NAMES))


def test_the_deadline_holds() -> None:
    def slow(name: str, fields: dict[str, Any]) -> RecordDict:
        if name == "c" and "hello" not in fields["stage"]:
            time.sleep(1.0)
        return ok(name, fields)

    with in_process(app_of(slow), nodes=3, run_config={}, threads=3) as grid:
        rounds = Rounds(grid, Rules(2, 0.5), {"run_id": "r"})
        rounds.meet(frozenset(NAMES))
        assert sorted(rounds.sums("train.popularity", length=2)) == ["a", "b"]
        assert sorted(rounds.silos) == NAMES


def test_questions_are_answered_by_whoever_can() -> None:
    with in_process(app_of(failing("failed", "a")), nodes=3, run_config={}) as grid:
        rounds = Rounds(grid, Rules(2, 20.0), {"run_id": "r"})
        rounds.meet(frozenset(NAMES))
        rounds.announce(plan="{}")
        assert sorted(rounds.ask_all("query.receipts")) == ["b", "c"]
