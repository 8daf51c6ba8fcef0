"""The parts an engine is put together from, made from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import cast

import anyio
import anyio.to_thread
import structlog

from greenroom.actors.gateway import GatewayMaker, HttpGateway, MemoryGateway, Switch
from greenroom.actors.journal import Keeper
from greenroom.engine.configuration import config_of
from greenroom.engine.settings import Settings
from greenroom.engine.store import NoStore, RunStore, Store, StoreUnavailable
from greenroom.engine.stream import EngineError
from greenroom.interception import OpenModel, Routes
from greenroom.interception.flow import Provider
from greenroom.sandboxes import Backend
from greenroom.specs import AgentSpec, SandboxSpec, Simulated

_CLOSE_SECONDS = 30.0

_log = structlog.get_logger(__name__)


async def open_store(settings: Settings, allow_changes: Collection[str]) -> Store:
    """Where outcomes are kept. Raises `StoreError`."""
    if settings.store is None:
        return NoStore()
    begin = partial(RunStore.open, settings.store, config=config_of(settings), allow=allow_changes)
    return await anyio.to_thread.run_sync(begin)


async def shielded(close: Callable[[], Awaitable[None]]) -> None:
    """Close something whatever is cancelled, within a bounded time."""
    with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
        await close()


async def close_backend(backend: Backend, store: Store) -> None:
    """End all sandboxes; then nothing is leased any more. Raises `SandboxError`, and then leases stay."""
    await backend.close()
    if not isinstance(store, RunStore):
        return
    try:
        await anyio.to_thread.run_sync(store.settle)
    except StoreUnavailable as error:
        _log.warning("leases_not_released", error=str(error))


def keeper_of(store: Store) -> Keeper:
    """What the journal knows of the store."""
    return Keeper(store.commit, StoreUnavailable, blocking=not isinstance(store, NoStore))


def check_loop(sandbox: SandboxSpec) -> None:
    """Check that the event loop can serve these sandboxes. Raises `EngineError`."""
    if isinstance(sandbox, Simulated):
        return
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        name = type(sandbox).__name__
        raise EngineError(f"{name}() sandboxes need asyncio; on trio, only Simulated() works") from None


async def install_agent(agent: AgentSpec, progress: Callable[[str], None]) -> str:
    """Where the agent is installed on this machine, now if it was not; empty without a recipe.

    Raises:
        InstallError: It cannot be installed.
    """
    if agent.recipe is None:
        return ""
    from greenroom.sandboxes.prefix import install

    return (await install(agent.recipe, check=agent.check, progress=progress)).path


def gateway_for(backend: Backend, routes: Routes) -> GatewayMaker:
    """How the agents in this backend's sandboxes reach their models."""
    from greenroom.sandboxes.simulated import SimulatedBackend

    if not isinstance(backend, SimulatedBackend):
        return partial(HttpGateway, routes)
    switch = Switch()
    backend.connect = switch.connect
    return partial(MemoryGateway, routes, switch)


def provider_of(model: OpenModel) -> Provider | None:
    """Where agents' requests go as they are, if the model is a black box."""
    return cast("Provider", model) if hasattr(model, "ask") else None
