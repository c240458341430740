"""The web page, the API's reference page and their static files; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.staticfiles import StaticFiles

OWN_FILES_ONLY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"

_HERE = Path(__file__).parent
_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=select_autoescape(default=True),
    auto_reload=False,
)


def install(app: FastAPI, *, silos: Sequence[dict[str, Any]], demo: bool) -> None:
    """Add `/`, `/docs` and `/static` to an app.

    silos: what the page may choose from: {name, base} for a silo of this server (base: its path, relative to
    the page), {name, page} for a silo with a server of its own.
    """
    config = {"silos": list(silos), "demo": demo}
    router = APIRouter(include_in_schema=False)

    @router.get("/", response_class=HTMLResponse)
    async def page() -> Response:
        return _render("index.html", config=config)

    @router.get("/docs", response_class=HTMLResponse)
    async def docs() -> Response:
        apis = [{"name": silo["name"], "base": silo["base"]} for silo in silos if "base" in silo]
        return _render("docs.html", config={"apis": apis})

    @router.get("/favicon.ico")
    async def icon() -> Response:
        return Response((_HERE / "static" / "icon.svg").read_bytes(), media_type="image/svg+xml")

    app.include_router(router)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")


def _render(template: str, *, config: dict[str, Any]) -> Response:
    html = _TEMPLATES.get_template(template).render(config=config)
    return HTMLResponse(
        html, headers={"cache-control": "no-cache", "content-security-policy": OWN_FILES_ONLY}
    )
