"""The web application of one silo, and of several silos side by side for demonstrations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from recsys.errors import ConfigError
from serving import errors
from serving.customers import endpoints as customers
from serving.demand import endpoints as demand
from serving.events import endpoints as events
from serving.invalid import validation_error
from serving.items import endpoints as items
from serving.loading import load_state
from serving.middleware import Envelope
from serving.model import endpoints as model
from serving.next_needs import endpoints as next_needs
from serving.recommendations import endpoints as recommendations
from serving.replenishment import endpoints as replenishment
from serving.schemas import COMMON_ERRORS
from serving.settings import Settings
from serving.state import State
from serving.web import pages

DESCRIPTION = (
    "Recommendations inside one silo: this server knows only this silo's own customers, and a model of "
    "which everything that was shared was noised first. Every error has the form "
    "{error: {code, message, what_to_do, field?}}; every answer carries an x-request-id header. Fields and "
    "query parameters that a path does not know are refused by name."
)


def create_app(settings: Settings) -> FastAPI:
    """The app of one silo: API, page at /, reference at /docs.

    Reads the bundle and the silo's tables before it returns. Raises BundleError, RegistryError, ConfigError
    or DataContractError, each with what to do.
    """
    return app_of(load_state(settings))


def app_of(state: State) -> FastAPI:
    """The app over a state that is loaded."""
    settings, app = state.settings, _silo_app(state)
    peers = [{"name": peer.name, "page": peer.url} for peer in settings.peers]
    pages.install(app, silos=[{"name": state.silo_name, "base": "./"}, *peers], demo=settings.demo)
    return app


def create_demo_app(settings: Sequence[Settings]) -> FastAPI:
    """Several silos in one process: each silo's app under /silos/<name>/, at / a page to choose among them.

    Every silo keeps its own state; nothing is shared. Raises what `create_app` raises, and ConfigError for
    two silos of one name or for none.
    """
    apps = [create_app(one) for one in settings]
    names = [_state(app).silo_name for app in apps]
    if not apps or len(set(names)) < len(names):
        raise ConfigError(
            f"the silos {names} must be at least one and have different names; rename one in its silo.toml"
        )
    root = FastAPI(
        title="Thousand Faces", openapi_url=None, docs_url=None, redoc_url=None, lifespan=_together(apps)
    )
    for name, app in zip(names, apps, strict=True):
        root.mount(f"/silos/{name}", app)
    pages.install(
        root, silos=[{"name": name, "base": f"silos/{name}/"} for name in names], demo=settings[0].demo
    )
    errors.install(root)
    root.add_exception_handler(RequestValidationError, validation_error)
    return root


def _silo_app(state: State) -> FastAPI:
    app = FastAPI(
        title=f"Thousand Faces · silo {state.silo_name}",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.serving = state
    routers = [
        recommendations.router,
        replenishment.router,
        next_needs.router,
        demand.router,
        items.router,
        events.router,
        model.router,
    ]
    for router in [*routers, *([customers.demo_router] if state.settings.demo else [])]:
        app.include_router(router, responses=COMMON_ERRORS)
    app.add_middleware(Envelope, metrics=state.metrics, max_body_bytes=state.settings.max_body_bytes)
    errors.install(app)
    app.add_exception_handler(RequestValidationError, validation_error)
    return app


def _state(app: FastAPI) -> State:
    state: State = app.state.serving
    return state


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    if (events_log := _state(app).events) is not None:
        events_log.close()


def _together(apps: Sequence[FastAPI]) -> Any:
    """A mounted app's own lifespan is not run by the app it is mounted in."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in apps:
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    return lifespan
