"""An in-process Grid: real Flower messages between the ServerApp and the silos' ClientApps, no network.

It rests on two private names of Flower (`TaskIdentity`, `Metadata._message_id`), hence the exact version pin.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from time import monotonic
from typing import Any
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

CLIENT_FAILED = 2
SERVER_NODE = 1
FIRST_CLIENT_NODE = 2

_log = logging.getLogger(__name__)


class InProcessGrid(Grid):
    """Nodes that live in this process; `threads` of them work at a time, each on one message at a time."""

    def __init__(self, app: ClientApp, contexts: Mapping[int, Context], *, threads: int = 1) -> None:
        TaskIdentity.run_id = TaskIdentity.task_id = TaskIdentity.node_id = SERVER_NODE
        self._app, self._contexts = app, dict(contexts)
        self._busy = {node: threading.Lock() for node in contexts}
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="silo")
        self._pending: dict[str, Future[Message]] = {}

    def set_run(self, run: Run) -> None:
        """Nothing to set: there is one run in this process."""

    @property
    def run(self) -> Run:
        """The one run of this process."""
        return Run.create_empty(SERVER_NODE)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message to one node."""
        return Message(content, dst_node_id, message_type, group_id=group_id, ttl=ttl)

    def get_node_ids(self) -> list[int]:
        """The nodes of this process."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Start work on messages; the identifiers are for `pull_messages`."""
        return [self._push(message) for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """The replies that are there by now."""
        ready = [name for name in message_ids if name in self._pending and self._pending[name].done()]
        return [self._pending.pop(name).result() for name in ready]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        """Send and wait at most `timeout` seconds; late replies are dropped, what waits is cancelled."""
        names = self.push_messages(messages)
        deadline = None if timeout is None else monotonic() + timeout
        futures = {name: self._pending[name] for name in names}
        wait(futures.values(), timeout=None if deadline is None else max(0.0, deadline - monotonic()))
        replies = self.pull_messages(names)
        for name in names:
            late = self._pending.pop(name, None)
            if late is not None:
                late.cancel()
        return replies

    def close(self) -> None:
        """Let the silos finish what they are at, and stop."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _push(self, message: Message) -> str:
        name = uuid4().hex
        message.metadata.__dict__["_message_id"] = name
        self._pending[name] = self._pool.submit(self._deliver, message)
        return name

    def _deliver(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        with self._busy[node]:
            try:
                return self._app(message, self._contexts[node])
            except Exception as error:  # noqa: BLE001  a node's failure is a reply, as it is over a network
                # Not str(error): the text of an exception may name a customer.
                _log.error("node %s failed with %s", node, type(error).__name__)
                return Message(Error(CLIENT_FAILED), reply_to=message)


def node_contexts(nodes: int, run_config: Mapping[str, Any]) -> dict[int, Context]:
    """One context per node, as Flower's simulation makes them: `partition-id` says which silo it is."""
    return {
        FIRST_CLIENT_NODE + index: Context(
            run_id=SERVER_NODE,
            node_id=FIRST_CLIENT_NODE + index,
            node_config={"partition-id": index, "num-partitions": nodes},
            state=RecordDict(),
            run_config=dict(run_config),
        )
        for index in range(nodes)
    }


@contextmanager
def in_process(
    client: ClientApp, *, nodes: int, run_config: Mapping[str, Any], threads: int = 1
) -> Iterator[InProcessGrid]:
    """A grid of `nodes` silos in this process, closed at the end."""
    grid = InProcessGrid(client, node_contexts(nodes, run_config), threads=threads)
    try:
        yield grid
    finally:
        grid.close()


def simulate(
    server: ServerApp, client: ClientApp, *, nodes: int, run_config: Mapping[str, Any], threads: int = 1
) -> None:
    """Run both apps in this process to the end, as `flwr run` does over a network; errors are raised."""
    with in_process(client, nodes=nodes, run_config=run_config, threads=threads) as grid:
        server(grid, Context(SERVER_NODE, SERVER_NODE, {}, RecordDict(), dict(run_config)))
