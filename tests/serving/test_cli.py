import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import serving.app
import serving.server
from recsys.errors import ConfigError, DataContractError, NoBundleError, ThousandFacesError
from serving.app import create_app
from serving.cli import serve
from serving.settings import Settings
from tests.serving.builder import make_silo


def test_options_become_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, Any] = {}

    def run(app: Any, *, host: str, port: int, on_ready: Any) -> None:
        started.update(settings=app.state.serving.settings, host=host, port=port)
        on_ready("http://127.0.0.1:9/")

    monkeypatch.setattr(serving.server, "run_server", run)
    arguments = ["--bundle", str(settings.bundle), "--silo", str(settings.silo), "--port", "0", "--demo"]
    result = CliRunner().invoke(serve, [*arguments, "--peer", "south=http://10.0.0.2:8080/"])
    assert result.exit_code == 0, result.output
    assert "http://127.0.0.1:9/docs" in result.output
    assert started["settings"].demo
    assert started["settings"].peers[0].name == "south"
    assert (started["host"], started["port"]) == ("127.0.0.1", 0)
    assert os.environ["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("peer", ["south", "=http://x/", "south=ftp://x/", "south=javascript:alert(1)"])
def test_a_peer_that_is_no_address_is_refused(settings: Settings, peer: str) -> None:
    result = CliRunner().invoke(
        serve, ["--bundle", str(settings.bundle), "--silo", str(settings.silo), "--peer", peer]
    )
    assert result.exit_code == 2
    assert "is not NAME=URL" in result.output


def test_a_taken_port_is_one_line(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}: .*choose another --port"):
            serving.server.run_server(create_app(settings), host="127.0.0.1", port=port)


def test_what_is_wrong_with_the_input_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "silo-without-items").mkdir()
    missing = make_silo(tmp_path / "missing", "missing")
    (missing.parent / "customers.parquet").unlink()
    wrong: list[tuple[dict[str, Any], type[ThousandFacesError], str]] = [
        ({"bundle": tmp_path / "nowhere"}, NoBundleError, "nowhere"),
        ({"silo": tmp_path / "no.toml"}, ConfigError, "no.toml"),
        ({"silo": missing}, DataContractError, "customers"),
    ]
    for changes, error, words in wrong:
        with pytest.raises(error, match=words) as caught:
            create_app(settings.model_copy(update=changes))
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2


def test_the_command_itself_loads_nothing_slow() -> None:
    code = (
        "import sys, serving.cli; "
        "print([m for m in ('numpy', 'faiss', 'fastapi', 'pydantic', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
