"""Trees of players for the tests of supervisors."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from greenroom.kernel import Actor, ChildSpec, Exit, Supervisor, System
from tests.kernel.players import Crash, Leave, player


def supervisor(children: Sequence[ChildSpec], **options: object) -> ChildSpec:
    """A temporary supervisor ``/top`` over these children."""
    return ChildSpec("top", lambda: Supervisor(children, **options), restart="temporary")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def crash(system: System, path: str) -> None:
    """Crash whoever has this path, and wait until all is quiet."""
    system.lookup(path).cast(Crash())
    await anyio.wait_all_tasks_blocked()


async def leave(system: System, path: str, exit: Exit) -> None:
    """End whoever has this path, and wait until all is quiet."""
    system.lookup(path).cast(Leave(exit))
    await anyio.wait_all_tasks_blocked()


def three(log: list[str], **fields: object) -> list[ChildSpec]:
    """Three players, a, b and c."""
    return [player(name, log, **fields) for name in "abc"]


class Unstartable(Actor):
    """Never gets ready."""

    async def started(self) -> None:
        raise RuntimeError("never")
