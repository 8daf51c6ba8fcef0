"""The parts an engine is put together from, made from its settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import anyio.to_thread
import msgspec

from greenroom.actors.gateway import GatewayMaker, HttpGateway, MemoryGateway, Switch
from greenroom.actors.journal import Keeper
from greenroom.engine.settings import Settings
from greenroom.engine.store import MemoryStore, RunStore, Store, StoreUnavailable
from greenroom.interception import Routes
from greenroom.sandboxes import Backend
from greenroom.specs import AgentSpec


async def open_store(settings: Settings) -> Store:
    """Where outcomes are kept. Raises `StoreError`."""
    if settings.store is None:
        return MemoryStore()
    return await anyio.to_thread.run_sync(partial(RunStore.open, settings.store, config=_config(settings)))


def keeper_of(store: Store) -> Keeper:
    """What the journal knows of the store."""
    return Keeper(store.commit, StoreUnavailable, blocking=not isinstance(store, MemoryStore))


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


def _config(settings: Settings) -> str:
    """What is recorded with the run. Specs hold no secrets."""
    model = settings.model
    spec = msgspec.to_builtins(model) if isinstance(model, msgspec.Struct) else getattr(model, "__qualname__", "")
    config = {
        "agent": settings.agent.name,
        "sandbox": msgspec.to_builtins(settings.sandbox),
        "model": spec,
        "concurrency": settings.concurrency,
        "attempts": settings.attempts,
        "deadline": settings.deadline,
    }
    return msgspec.json.encode(config).decode()
