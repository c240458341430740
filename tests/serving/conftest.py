from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving.app import create_app
from serving.settings import Settings
from tests.recsys.bundle_builder import make_bundle
from tests.serving.builder import N_ITEMS, make_silo


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles"), n_items=N_ITEMS)


@pytest.fixture
def settings(bundle: Path, tmp_path: Path) -> Settings:
    return Settings(bundle=bundle, silo=make_silo(tmp_path / "silo"), demo=True, cache=tmp_path / "cache")


@pytest.fixture
def serve() -> Iterator[Callable[..., TestClient]]:
    """Starts apps and stops them after the test."""
    with ExitStack() as stack:

        def start(settings: Settings, **changes: Any) -> TestClient:
            app = create_app(settings.model_copy(update=changes))
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(settings: Settings, serve: Callable[..., TestClient]) -> TestClient:
    return serve(settings)
