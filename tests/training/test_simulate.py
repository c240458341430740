import threading
import time

import pytest
from flwr.app import Context, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp

from training.simulate import CLIENT_FAILED, InProcessGrid, in_process, simulate


def client_app(handler) -> ClientApp:
    app = ClientApp()
    app.query()(handler)
    return app


def echo(message: Message, context: Context) -> Message:
    return Message(message.content, reply_to=message)


def ask(grid: Grid, **options) -> list[Message]:
    messages = [Message(RecordDict(), node, "query") for node in grid.get_node_ids()]
    return list(grid.send_and_receive(messages, **options))


@pytest.mark.parametrize("threads", [1, 2])
def test_every_node_answers_its_own_message(threads: int) -> None:
    with in_process(client_app(echo), nodes=3, run_config={}, threads=threads) as grid:
        replies = ask(grid)
    assert sorted(reply.metadata.src_node_id for reply in replies) == sorted(grid.get_node_ids())
    assert all(reply.metadata.reply_to_message_id for reply in replies)


def test_an_exception_is_an_error_reply_without_its_text() -> None:
    def fail(message: Message, context: Context) -> Message:
        raise ValueError("customer c-123 has no consent")

    with in_process(client_app(fail), nodes=1, run_config={}) as grid:
        (reply,) = ask(grid)
    assert reply.has_error()
    assert reply.error.code == CLIENT_FAILED
    assert "c-123" not in repr(reply)


def test_the_deadline_drops_the_late_and_cancels_the_waiting() -> None:
    gate, started = threading.Event(), []

    def slow(message: Message, context: Context) -> Message:
        started.append(context.node_id)
        if context.node_config["partition-id"] == 1:
            gate.wait(10)
        return Message(message.content, reply_to=message)

    with in_process(client_app(slow), nodes=3, run_config={}, threads=1) as grid:
        begin = time.monotonic()
        replies = ask(grid, timeout=0.2)
        assert time.monotonic() - begin < 5
        gate.set()
    assert [reply.metadata.src_node_id for reply in replies] == grid.get_node_ids()[:1]
    assert started == grid.get_node_ids()[:2]


def test_a_node_works_on_one_message_at_a_time() -> None:
    working, most = [0], [0]

    def count(message: Message, context: Context) -> Message:
        working[0] += 1
        most[0] = max(most[0], working[0])
        time.sleep(0.01)
        working[0] -= 1
        return Message(message.content, reply_to=message)

    with in_process(client_app(count), nodes=1, run_config={}, threads=4) as grid:
        grid.send_and_receive([Message(RecordDict(), grid.get_node_ids()[0], "query") for _ in range(4)])
    assert most[0] == 1


def test_both_apps_run_with_the_context_that_flower_gives_them() -> None:
    seen = {}

    def remember(message: Message, context: Context) -> Message:
        seen[context.node_config["partition-id"]] = context.run_config["federation"]
        return Message(message.content, reply_to=message)

    server = ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        seen["server"] = context.run_config["federation"]
        seen["run"] = grid.run.run_id
        grid.set_run(grid.run)
        made = grid.create_message(RecordDict(), "query", next(iter(grid.get_node_ids())), "1")
        ids = list(grid.push_messages([made]))
        while not grid.pull_messages(ids):
            time.sleep(0.001)
        ask(grid)

    simulate(server, client_app(remember), nodes=2, run_config={"federation": "f.toml"})
    assert seen == {"server": "f.toml", 0: "f.toml", 1: "f.toml", "run": 1}


def test_unknown_ids_have_no_reply() -> None:
    grid = InProcessGrid(client_app(echo), {})
    assert grid.pull_messages(["nobody"]) == []
    grid.close()
