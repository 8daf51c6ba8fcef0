"""Ways of containers to fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenroom.messages import Phase
from tests.world.blame.case import Case, Deed
from tests.world.blame.containers import Engine
from tests.world.blame.scene import Scene

_PHASES: tuple[Phase, ...] = ("setup", "agent", "verify")


def done(deed: Callable[[Any], object]) -> Deed:
    """Somebody does this to the container."""

    async def at_once(scene: Scene) -> None:
        assert isinstance(scene.place, Engine)
        await scene.place.do(scene, deed)

    return at_once


def stop(container: Any) -> None:  # noqa: ANN401 - docker-py's container
    """As ``docker stop``."""
    container.stop(timeout=0)


def remove(container: Any) -> None:  # noqa: ANN401 - docker-py's container
    """As ``docker rm --force``."""
    container.remove(force=True)


def pause(container: Any) -> None:  # noqa: ANN401 - docker-py's container
    """As ``docker pause``."""
    container.pause()


CASES = tuple(
    Case(
        name=f"container {what} in {phase}",
        of="sandbox",
        phase=phase,
        deed=done(deed),
        cause="sandbox_failed",
        task={"setup_timeout": 3.0, "agent_timeout": 3.0, "verify_timeout": 3.0} if deed is pause else {},
        on=("docker",),
    )
    for what, deed, phases in (("stopped", stop, _PHASES), ("removed", remove, _PHASES), ("paused", pause, _PHASES[1:]))
    for phase in phases
)
