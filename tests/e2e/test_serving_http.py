"""The real server as a user starts it: a process, a socket, HTTP."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving.builder import NEW, TASTE, event, item, make_world

pytestmark = pytest.mark.e2e

READY_SECONDS = 60
COMMAND = [sys.executable, "-c", "from recsys.cli import main; main()", "serve"]


class Server:
    """A running server and a client of it."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address
        self.client = httpx.Client(base_url=address, timeout=30)

    def post(self, path: str, body: Any) -> httpx.Response:
        return self.client.post(path, json=body)

    def shown(self, customer: str) -> list[str]:
        answer = self.post("/v1/recommendations", {"customer_id": customer}).json()
        return [one["item_id"] for one in answer["items"]]


@contextmanager
def running(bundle: Path, silo: Path, *options: str) -> Iterator[Server]:
    command = [*COMMAND, "--bundle", str(bundle), "--silo", str(silo), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    watchdog = threading.Timer(READY_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert process.stderr is not None
        found = re.search(r"http://\S+/(?= )", line)
        assert found, process.stderr.read()
        yield Server(process, found[0])
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_world(tmp_path_factory.mktemp("e2e"))


def test_from_start_to_events_that_survive_a_kill(world: tuple[Path, Path]) -> None:
    with running(*world, "--demo") as server:
        assert server.client.get("/health/ready").json()["status"] == "ready"
        assert set(server.shown(TASTE)[:3]) == {item(0), item(10), item(20)}
        assert item(48) not in server.shown(NEW)
        stored = server.post("/v1/events", event("e-1", NEW, 48))
        assert (stored.status_code, stored.json()) == (202, {"accepted": 1, "duplicates": 0})
        os.kill(server.process.pid, signal.SIGKILL)
        assert server.process.wait(10) == -signal.SIGKILL
    with running(*world, "--demo") as server:
        assert item(48) in server.shown(NEW)
        events = server.client.get(f"/v1/demo/customers/{NEW}/events").json()["events"]
        assert [one["item_id"] for one in events] == [item(48)]


def test_a_graceful_end_keeps_events_and_says_nothing_wrong(world: tuple[Path, Path]) -> None:
    one = event("e-graceful", TASTE, 0, event="dismiss")
    with running(*world) as server:
        assert server.post("/v1/events", one).status_code == 202
        assert server.post("/v1/events", one).json() == {"accepted": 0, "duplicates": 1}
        assert server.post("/v1/events", one | {"quantity": 2}).status_code == 409
        server.process.send_signal(signal.SIGTERM)
        _, stderr = server.process.communicate(timeout=20)
        assert (server.process.returncode, stderr) == (0, "")
    with running(*world) as server:
        assert item(0) not in server.shown(TASTE)
        assert server.client.get("/v1/demo/customers").status_code == 404


def test_the_page_and_its_files_come_over_http(world: tuple[Path, Path]) -> None:
    with running(*world) as server:
        page = server.client.get("/")
        assert page.status_code == 200
        for reference in re.findall(r'(?:src|href)="(static/[^"]+)"', page.text):
            assert server.client.get(reference).status_code == 200


def test_many_writers_at_once_lose_nothing(world: tuple[Path, Path]) -> None:
    with running(*world, "--demo") as server:
        answers: list[dict[str, int]] = []

        def write(writer: int) -> None:
            with httpx.Client(base_url=server.address, timeout=30) as client:
                for number in range(5):
                    sent = [
                        event(f"w-{writer}-{number}"),
                        event(f"shared-{number}", timestamp="2026-03-01T00:00:00Z"),
                    ]
                    answers.append(client.post("/v1/events", json={"events": sent}).json())

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(answer["accepted"] for answer in answers) == 6 * 5 + 5
        assert sum(answer["duplicates"] for answer in answers) == 5 * 5
        events = server.client.get(f"/v1/demo/customers/{TASTE}/events?limit=100").json()["events"]
        assert sum(one["item_id"] == item(7) for one in events) == 35


def test_a_wrong_start_is_one_line_and_an_exit_code(world: tuple[Path, Path], tmp_path: Path) -> None:
    bundle, silo = world
    started = time.monotonic()
    for arguments, code, words in [
        (["--bundle", str(tmp_path / "none"), "--silo", str(silo)], 2, "no such bundle folder"),
        (["--bundle", str(bundle), "--silo", str(tmp_path / "none.toml")], 2, "none.toml"),
        (["--bundle", str(bundle)], 2, "--silo"),
    ]:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("error: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert time.monotonic() - started < 60
