"""Scenes in sandboxes of memory, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import anyio
from msgspec.structs import replace

from greenroom.engine import Engine
from greenroom.messages import Phase
from greenroom.sandboxes._simulated_fate import Misfortune
from greenroom.sandboxes._simulated_process import SimulatedProcess
from greenroom.sandboxes.base import Exec, SandboxError
from greenroom.sandboxes.simulated import SimulatedBackend, SimulatedSandbox
from greenroom.specs import Model, Simulated, TaskSpec
from tests.world.blame.case import Ground
from tests.world.blame.scene import ATTEMPTS, CALLS, Scene

SECONDS: dict[Phase, float] = {"boot": 1.0, "setup": 5.0, "agent": 20.0, "verify": 5.0, "cleanup": 0.0}
"""How long each phase lasts, undisturbed."""
AGENTS: dict[str, Misfortune] = {"fails": "agent_crashed", "hangs": "agent_hung"}
"""How agents behave that do not end well, after a random number of turns."""


class Frail(SimulatedSandbox):
    """A sandbox that can be struck while it boots, and whose host may refuse what is asked of it."""

    async def boot(self) -> None:
        """Boot where it can be seen."""
        place = _place(self._backend)
        place.sandbox = self
        self.fate = replace(self.fate, misfortune=place.misfortune, last_turn=place.last_turn)
        await super().boot()
        await self._ask("boot")

    async def start(self, program: Exec) -> SimulatedProcess:
        """Start a program, unless the host refuses."""
        await self._ask("start")
        return await super().start(program)

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Write files, unless the host refuses."""
        await self._ask("write")
        await super().write(files)

    async def quiesce(self) -> None:
        """Kill every program, unless the host refuses."""
        await self._ask("quiesce")
        await super().quiesce()

    async def _ask(self, what: str) -> None:
        place = _place(self._backend)
        if place.held.get(what) == self.id:
            await anyio.sleep_forever()
        if place.refused.get(what) == self.id:
            raise SandboxError("host_exhausted", f"the host refuses to {what}")


class Memory:
    """Simulated sandboxes."""

    name: Ground = "simulated"

    def __init__(self) -> None:
        self.sandbox: Frail | None = None
        """The one that was begun last."""
        self.misfortune: Misfortune | None = None
        """What agents do after their last turn, if not end well."""
        self.last_turn = math.inf
        self.refused: dict[str, str] = {}
        """What the host refuses, to the sandbox of which id."""
        self.held: dict[str, str] = {}
        """What it is asked for by that sandbox and never answers."""

    def engine(self, scene: Scene, model: Model) -> Engine:
        """An engine for this scene."""
        if scene.case.agent != "worker":
            self.misfortune, self.last_turn = AGENTS[scene.case.agent], scene.call + 1
        scene.patch.setattr("greenroom.sandboxes.simulated.SimulatedSandbox", Frail)
        scene.patch.setattr(SimulatedBackend, "place", self, raising=False)
        options: dict[str, Any] = {
            "model": model,
            "sandbox": Simulated(boot=SECONDS["boot"], turn=SECONDS["agent"] / CALLS, turns=CALLS),
            "attempts": ATTEMPTS,
            "deadline": 600.0,
            "console": "console" in scene.case.name,
        }
        return Engine("simulated", **(options | scene.case.engine))

    def task(self, scene: Scene) -> TaskSpec:
        """A task in which every phase takes its time."""
        fields: dict[str, Any] = {"id": "t", "instruction": "x", "setup": ("sleep 5",), "verify": ("sleep 5",)}
        return TaskSpec(**(fields | scene.case.task))

    async def wait(self, scene: Scene) -> None:
        """Up to nine tenths of the phase; of the agent's, of the time between two calls."""
        phase = scene.case.phase
        whole = SECONDS[phase] / (CALLS if phase == "agent" else 1)
        await anyio.sleep(0.9 * whole * scene.rng.random())

    async def spare(self, scene: Scene) -> None:
        """Nothing is held: time is virtual."""

    async def kill(self, scene: Scene) -> None:
        """Lose it now."""
        assert self.sandbox is not None
        self.sandbox.die()

    def refuse(self, what: str) -> None:
        """From now on the host does no such thing for the sandbox that is there."""
        assert self.sandbox is not None
        self.refused[what] = self.sandbox.id

    def hold(self, what: str) -> None:
        """From now on the host never answers when that is asked for the sandbox that is there."""
        assert self.sandbox is not None
        self.held[what] = self.sandbox.id


def _place(backend: SimulatedBackend) -> Memory:
    found: Memory = getattr(backend, "place")  # noqa: B009 - set for one scene
    return found
