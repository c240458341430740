"""`thousandfaces serve`: one silo's server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from serving.settings import Peer


@click.command()
@click.option(
    "--bundle",
    required=True,
    metavar="DIR|models:/NAME@ALIAS",
    help="The bundle to serve, or where to fetch it.",
)
@click.option(
    "--silo",
    "silos",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="SILO.TOML",
    help="The silo whose customers are served; with --demo it may be given several times.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port."
)
@click.option("--demo", is_flag=True, help="Let the page list customers; only for simulated ones.")
@click.option(
    "--peer", "peers", multiple=True, metavar="NAME=URL", help="Another silo's server, for the page."
)
def serve(
    bundle: str, silos: tuple[Path, ...], host: str, port: int, demo: bool, peers: tuple[str, ...]
) -> None:
    """Serve a bundle inside one silo over HTTP, with a web page at / and the API's reference at /docs.

    Example: thousandfaces serve --bundle runs/RUN/bundle --silo silos/north/silo.toml --port 8080
    """
    # Read once, when numpy and faiss are loaded below: more threads make one small search slower.
    os.environ["OMP_NUM_THREADS"] = "1"
    from serving.app import create_app, create_demo_app
    from serving.server import run_server
    from serving.settings import Settings

    if len(silos) > 1 and not demo:
        raise click.UsageError("one server serves one silo; give --silo once, or add --demo")
    known = tuple(_peer(text) for text in peers)
    settings = [
        Settings(bundle=bundle, silo=silo, host=host, port=port, demo=demo, peers=known) for silo in silos
    ]
    app = create_demo_app(settings) if len(settings) > 1 else create_app(settings[0])
    run_server(app, host=host, port=port, on_ready=_announce)


def _peer(text: str) -> Peer:
    from pydantic import ValidationError

    from serving.settings import Peer

    name, _, url = text.partition("=")
    try:
        return Peer(name=name, url=url)
    except ValidationError as error:
        raise click.BadParameter(f"{text!r} is not NAME=URL, such as north=http://10.0.0.2:8080/") from error


def _announce(address: str) -> None:
    click.echo(f"Serving at {address} (API reference: {address}docs). Stop with Ctrl-C.")
