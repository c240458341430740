"""The server's own loop, in this process: uvicorn in the main thread, a client in another."""

import os
import signal
import threading

import httpx
import pytest

from recsys.errors import ConfigError
from serving.app import create_app
from serving.server import _address, _bind, run_server
from serving.settings import Settings


def test_it_serves_until_it_is_told_to_end(settings: Settings) -> None:
    answers: list[int] = []

    def ask(address: str) -> None:
        answers.append(httpx.get(f"{address}health/ready").status_code)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    asking: list[threading.Thread] = []

    def ready(address: str) -> None:
        asking.append(threading.Thread(target=ask, args=(address,)))
        asking[0].start()

    run_server(create_app(settings), host="127.0.0.1", port=0, on_ready=ready)
    asking[0].join()
    assert answers == [200]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")]
)
def test_the_address_is_one_that_a_browser_takes(host: str, shown: str) -> None:
    try:
        listener = _bind(host, 0)
    except ConfigError:
        pytest.skip(f"no {host} on this machine")
    with listener:
        assert _address(host, listener) == f"http://{shown}:{listener.getsockname()[1]}/"
