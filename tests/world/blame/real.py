"""Scenes in sandboxes that are real, with a real server and a real agent."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from greenroom.engine import Engine
from greenroom.kernel import Backoff
from greenroom.sandboxes.base import Exec, SandboxError
from greenroom.specs import AgentSpec, Docker, Invocation, Launch, Local, Model, TaskSpec
from tests.engine.disks import small_disk
from tests.world.blame.scene import ATTEMPTS, Scene

PAUSE = "GREENROOM_TEST_PAUSE"
"""Set while set-up, or verification, is to last until something has happened in it."""
_STEPS = 400
HELD = f"test -z ${PAUSE} || {{ mkfifo held 2>/dev/null; read word <held; }}"
_LET_GO = "mkfifo held 2>/dev/null; echo >held"
_SECONDS = 10.0
_WORKER = (Path(__file__).parent / "worker.py").read_text()


class Real:
    """What Local and Docker have in common."""

    def sandbox_spec(self, scene: Scene) -> Local | Docker:
        """Where rollouts run."""
        raise NotImplementedError

    def engine(self, scene: Scene, model: Model) -> Engine:
        """An engine for this scene."""
        scene.patch.setenv(PAUSE, "yes" if scene.case.deed and scene.case.phase in {"setup", "verify"} else "")
        scene.patch.setattr("greenroom.supervisors.engine._BACKOFF", Backoff(first=0.001, limit=0.001))
        options: dict[str, Any] = {
            "model": model,
            "sandbox": self.sandbox_spec(scene),
            "attempts": ATTEMPTS,
            "deadline": 50.0,
            "console": "console" in scene.case.name,
        }
        if scene.case.of == "store":
            options["store"] = self._store(scene)
        return Engine(worker(scene.case.agent), **(options | scene.case.engine))

    def _store(self, scene: Scene) -> Path:
        path = scene.directory / "run"
        if scene.case.needs:
            scene.disks.enter_context(small_disk(path, "4m"))
        return path

    def task(self, scene: Scene) -> TaskSpec:
        """A task whose set-up or verification lasts until something has happened, if it is to happen then."""
        pauses = {phase: HELD if scene.case.phase == phase else "true" for phase in ("setup", "verify")}
        fields: dict[str, Any] = {
            "id": "t",
            "instruction": "x",
            "setup": (pauses["setup"],),
            "verify": (pauses["verify"], "test -f done"),
            "verify_timeout": 20.0,
            "env": {PAUSE: f"${{{PAUSE}}}"},
            "expand_env": True,
        }
        return TaskSpec(**(fields | scene.case.task))

    async def wait(self, scene: Scene) -> None:
        """A random number of steps of the event loop, in which everything else goes on."""
        for _ in range(scene.rng.randrange(_STEPS)):
            await anyio.lowlevel.checkpoint()

    async def spare(self, scene: Scene) -> None:
        """Let go of what is held, and hold nothing more."""
        os.environ[PAUSE] = ""
        if scene.case.cause == "finished":
            await self.let_go(scene)

    async def let_go(self, scene: Scene) -> None:
        """Let the command go on that is held, if one is."""
        if scene.case.phase in {"setup", "verify"}:
            for sandbox in filter(None, scene.stage.leases.values()):
                with suppress(SandboxError):
                    await sandbox.exec(Exec(argv=("/bin/sh", "-c", _LET_GO), cwd=sandbox.workdir), timeout=_SECONDS)


def worker(character: str) -> AgentSpec:
    """The agent, which ends as it is told to."""

    def command(launch: Launch) -> Invocation:
        env = {"URL": launch.base_url, "KEY": launch.api_key}
        argv = (launch.python, "-I", "-S", "-c", _WORKER, character)
        return Invocation(argv=argv, env=env, stdin=launch.instruction)

    return AgentSpec(name="worker", dialect="chat", command=command)
