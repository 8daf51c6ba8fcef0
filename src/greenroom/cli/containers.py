"""`greenroom sandboxes` and `greenroom reap`: the containers that engines on this machine have made, or left."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import anyio
import click
import msgspec

from greenroom.cli.errors import Failed
from greenroom.introspection.render import table
from greenroom.sandboxes import SandboxError

if TYPE_CHECKING:
    from greenroom.sandboxes.docker.client import Engine
    from greenroom.sandboxes.docker.owner import Owner
    from greenroom.sandboxes.docker.sweep import Found

_SECONDS = 120.0


def report(*, as_json: bool) -> None:
    """Print all of them. Raises `Failed`."""
    from greenroom.sandboxes.docker.sweep import find

    found = anyio.run(_with_engine, find)
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        click.echo(table(("SANDBOX", "ROLLOUT", "RUN", "IMAGE", "AGE", "STATUS", ""), [_cells(one) for one in found]))
    else:
        click.echo("no containers")


def reap(*, everything: bool, as_json: bool) -> None:
    """Remove what was left behind, or all there is, and say what that was. Raises `Failed`."""
    removed = anyio.run(_with_engine, _remove_all if everything else _sweep)
    if as_json:
        click.echo(msgspec.json.encode(removed))
        return
    for one in removed:
        click.echo(f"removed {one.name}: {one.abandoned or 'asked for'}")
    click.echo(f"{len(removed)} removed")


def _cells(found: Found) -> tuple[str, ...]:
    age = f"{max(0.0, time.time() - found.created):.0f} s"
    left = f"left behind: {found.abandoned}" if found.abandoned else ""
    return found.sandbox, found.rollout, found.run, found.image, age, found.status, left


async def _sweep(engine: Engine, us: Owner) -> list[Found]:
    from greenroom.sandboxes.docker.sweep import sweep

    return await sweep(engine, us)


async def _remove_all(engine: Engine, us: Owner) -> list[Found]:
    from greenroom.sandboxes.docker.sweep import find

    found = await find(engine, us)
    for one in found:
        await engine.remove(one.container)
    return found


async def _with_engine(work: Callable[[Engine, Owner], Awaitable[list[Found]]]) -> list[Found]:
    from greenroom.sandboxes.docker.address import find_engine
    from greenroom.sandboxes.docker.client import Engine, typed
    from greenroom.sandboxes.docker.owner import this_process

    try:
        engine = Engine(find_engine())
        try:
            async with typed("Docker cannot be used", "docker_unavailable", _SECONDS):
                return await work(engine, this_process())
        finally:
            await engine.close()
    except SandboxError as error:
        raise Failed(f"{error} {error.detail}".rstrip()) from error
