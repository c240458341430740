import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from recsys.errors import PlanError, TrainingError
from training import spend
from training.egress import EGRESS, Leaves, Status
from training.messages import (
    ARRAYS,
    FIELDS,
    Request,
    decode_reply,
    decode_request,
    encode_reply,
    encode_request,
)


@pytest.fixture(autouse=True)
def identity() -> None:
    TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = 1


def released(values: np.ndarray) -> spend.Released:
    return spend.Released(values, 1, spend._KEY)


def sent(content: RecordDict) -> Message:
    return Message(content, 2, "train.popularity")


def test_requests_survive_the_round_trip() -> None:
    request = Request({"stage": "train.towers", "round": 3}, {"parameters": np.float32([1, 2])})
    back = decode_request(sent(encode_request(request)))
    assert (back.text("stage"), back.number("round")) == ("train.towers", 3)
    np.testing.assert_array_equal(back.array("parameters"), np.float32([1, 2]))


@pytest.mark.parametrize("name", ["plan", "settings"])
def test_a_request_that_lacks_something_says_what(name: str) -> None:
    with pytest.raises(TrainingError, match=f"lacks the field '{name}'"):
        Request({}).text(name)
    with pytest.raises(TrainingError, match="lacks the array 'parameters'"):
        Request({}).array("parameters")


def test_requests_carry_known_fields_only() -> None:
    with pytest.raises(TrainingError, match="'query'"):
        encode_request(Request({"query": "select * from customers"}))
    records = RecordDict({FIELDS: ConfigRecord({"query": "x"}), ARRAYS: ArrayRecord()})
    with pytest.raises(TrainingError, match="'query'"):
        decode_request(sent(records))


@pytest.mark.parametrize(
    "name", ["mean_basket", *(n for n, d in EGRESS.items() if d.leaves is Leaves.REFUSED)]
)
def test_undeclared_and_refused_fields_never_leave(name: str) -> None:
    with pytest.raises(PlanError, match=name):
        encode_reply({name: 1.0})


def test_sums_leave_as_released_only() -> None:
    with pytest.raises(PlanError, match="noised-and-charged"):
        encode_reply({"noised_sum": 3.0})
    reply = decode_reply(sent(encode_reply({"status": "ok"}, released(np.float32([4])))))
    assert reply.status == Status.OK
    assert reply.noised_sum is not None
    np.testing.assert_array_equal(reply.noised_sum, np.float32([4]))


def test_the_coordinator_refuses_what_a_silo_should_not_have_sent() -> None:
    leak = RecordDict({FIELDS: ConfigRecord({"loss": 0.3}), ARRAYS: ArrayRecord()})
    with pytest.raises(PlanError, match="loss"):
        decode_reply(sent(leak))
    raw = RecordDict({FIELDS: ConfigRecord({}), ARRAYS: ArrayRecord({"embeddings": Array(np.zeros(2))})})
    with pytest.raises(PlanError, match="embeddings"):
        decode_reply(sent(raw))
    with pytest.raises(TrainingError, match="expected 'arrays' and 'fields'"):
        decode_reply(sent(RecordDict({"metrics": ConfigRecord({})})))
    swapped = RecordDict({FIELDS: ArrayRecord(), ARRAYS: ConfigRecord()})
    with pytest.raises(TrainingError, match="wrong types"):
        decode_reply(sent(swapped))


def test_a_crashed_node_counts_as_failed() -> None:
    request = sent(encode_request(Request({"round": 0})))
    assert decode_reply(Message(Error(2), reply_to=request)).status == Status.FAILED
