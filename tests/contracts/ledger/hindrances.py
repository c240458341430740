"""What goes wrong around a ledger in mid-run. Inside each block it is so; the block's value is for the child.

A hindrance is a context manager over a ledger's place. It gives what the spending process does to itself:
limits, privileges and clocks are a process's own.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from recsys.privacy import chain
from tests.contracts.ledger.places import guarded, socket_of
from tests.contracts.ledger.points import Watch

CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION = 0x20080522

Restrict = Callable[[], None]
Hindrance = Callable[[str], AbstractContextManager[Restrict]]


def nothing() -> None:
    """The process itself is as it was."""


@contextmanager
def no_room(where: str, size: int = 0) -> Iterator[Restrict]:
    """No file may grow beyond so many bytes (0: the ledger's size by now)."""
    limit = size or Path(where).stat().st_size
    yield partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))


@contextmanager
def read_only(where: str, name: str = "") -> Iterator[Restrict]:
    """The right to write the ledger, or what has this name in its folder, is taken."""
    path = Path(where).parent / name if name else Path(where)
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    yield obey_permissions
    path.chmod(mode)


@contextmanager
def moved(
    where: str, put: Callable[[Path], object] | None = None, *, folder: bool = False
) -> Iterator[Restrict]:
    """The file (or its whole folder) is somewhere else; something else may be put in its place."""
    path = Path(where).parent if folder else Path(where)
    away = path.rename(path.with_name(f"{path.name}-moved"))
    if put:
        put(path)
    yield nothing
    if path.is_dir():
        path.rmdir()
    away.rename(path)


@contextmanager
def day_back(where: str) -> Iterator[Restrict]:
    """The process's clock is a day behind."""
    right = chain.now

    def restrict() -> None:
        chain.now = lambda: right() - timedelta(days=1)

    yield restrict


@contextmanager
def full_server(where: str) -> Iterator[Restrict]:
    """The server answers every new row as it does when its disk is full."""
    with guarded(where) as database:
        database.run(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; "
            "END $$"
        )
        database.run("CREATE TRIGGER a_full_disk BEFORE INSERT ON rows EXECUTE FUNCTION full_disk()")
        yield nothing
        database.run("DROP TRIGGER a_full_disk ON rows")


@contextmanager
def revoked(where: str) -> Iterator[Restrict]:
    """The rows belong to somebody else, who lets the role of the ledger's URL read them and no more."""
    with guarded(where) as database:
        role, schema = database.run("SELECT current_user AS role, current_schema AS schema")[0].values()
        database.run(f"CREATE ROLE reader_{schema}")
        database.run(f"GRANT USAGE ON SCHEMA {schema} TO reader_{schema}")
        database.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader_{schema}")
        # Sessions that begin from now on have that role's rights.
        database.run(f"ALTER ROLE {role} SET role = 'reader_{schema}'")
        yield nothing
        database.run(f"ALTER ROLE {role} RESET role")


@contextmanager
def unreachable(where: str) -> Iterator[Restrict]:
    """No server answers where it was."""
    socket = socket_of(where)
    away = socket.rename(socket.with_name("moved"))
    yield nothing
    away.rename(socket)


@contextmanager
def cut(where: str, point: str) -> Iterator[Restrict]:
    """At this point the server ends the ledger's session, as one that shuts down does."""

    def end() -> None:
        with guarded(where) as database:
            database.run(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE application_name = 'thousandfaces ledger'"
            )

    yield Watch(point, end).arm


def obey_permissions() -> None:
    """Permission bits hold for the superuser too, in this process, from now on."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        sets[0] &= ~(1 << CAP_DAC_OVERRIDE)
        if libc.capset(header, sets) == 0:
            return
    raise OSError(ctypes.get_errno(), "the superuser's privileges could not be dropped")
