"""What is done to an engine and its actors, at whatever moment."""

from __future__ import annotations

import time

import anyio

from greenroom.engine.store import NoStore
from greenroom.engine.store_errors import StoreUnavailable
from greenroom.kernel import Actor
from tests.world.blame.case import Deed
from tests.world.blame.scene import PATH, ROLLOUT, Scene

GIVES_UP = 11
"""Crashes within a minute that an engine does not bear."""
DAY = 24 * 3600.0


def killed(path: str) -> Deed:
    """An actor is killed; see `Scene.actor`."""

    async def deed(scene: Scene) -> None:
        scene.engine.system.kill(scene.actor(path))

    return deed


def crashed(path: str) -> Deed:
    """An actor crashes; see `Scene.actor`."""

    async def deed(scene: Scene) -> None:
        scene.engine.system.change(scene.actor(path), _boom)

    return deed


def gives_up(part: str) -> Deed:
    """A part of the engine crashes whenever it is started, until the engine gives up."""

    async def deed(scene: Scene) -> None:
        system, path = scene.engine.system, f"/engine/{part}"
        with system.subscribe() as events:
            system.change(system.lookup(path), _boom)
            crashes = 1
            async for event in events:
                if event.path == path and event.kind == "started":
                    system.change(system.lookup(path), _boom)
                    crashes += 1
                if crashes == GIVES_UP:
                    return

    return deed


def _boom(actor: Actor) -> None:
    raise ValueError(f"boom in {type(actor).__name__}")


async def sandbox_killed(scene: Scene) -> None:
    """The sandbox dies."""
    await scene.place.kill(scene)


async def second_sandbox_killed(scene: Scene) -> None:
    """The verifier's own sandbox dies, as soon as it is there."""
    with scene.engine.system.trace(scene.actor("{attempt}/verifier-sandbox"), limit=1000) as trace:
        if not _has_own(scene):
            async for _ in trace:
                if _has_own(scene):
                    break
    await scene.place.kill(scene)


def _has_own(scene: Scene) -> bool:
    return any(sandbox is not None and sandbox.id.endswith("-v") for sandbox in scene.stage.leases.values())


async def rollout_cancelled(scene: Scene) -> None:
    """Somebody cancels it."""
    assert await scene.engine.cancel(ROLLOUT) == 1


async def group_cancelled(scene: Scene) -> None:
    """Somebody cancels its group."""
    assert await scene.engine.cancel("run-1/t") == 1


async def run_cancelled(scene: Scene) -> None:
    """Somebody cancels its run."""
    scene.stream.cancel()


async def engine_stopped(scene: Scene) -> None:
    """Somebody stops the engine."""
    await scene.engine.stop()


def clock_moved(seconds: float) -> Deed:
    """The wall clock is set."""

    async def deed(scene: Scene) -> None:
        real = time.time
        scene.patch.setattr(time, "time", lambda: real() + seconds)

    return deed


def paused(seconds: float) -> Deed:
    """Model calls are held for so long."""

    async def deed(scene: Scene) -> None:
        scene.engine.pause()
        scene.struck[scene.attempt].set()
        await anyio.sleep(seconds)
        scene.engine.resume()

    return deed


async def store_unavailable(scene: Scene) -> None:
    """Nothing can be stored until an hour after the rollout has ended."""
    commit = NoStore.commit

    def refuse(*_: object) -> None:
        raise StoreUnavailable("/run", "no space left on device")

    with scene.engine.system.subscribe() as events:
        scene.patch.setattr(NoStore, "commit", refuse)
        scene.struck[scene.attempt].set()
        await scene.place.spare(scene)
        async for event in events:
            if event.path == PATH and event.kind == "stopped":
                break
    await anyio.sleep(3600)
    assert scene.engine.snapshot().paused
    scene.patch.setattr(NoStore, "commit", commit)
