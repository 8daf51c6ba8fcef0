"""One rollout that is played, and its random moments: learnt from what the engine tells, never by looking again."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Protocol

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskStatus

from greenroom.actors.board import RolloutRow
from greenroom.actors.stage import Stage
from greenroom.engine import Engine, EngineError
from greenroom.engine.stream import OutcomeStream
from greenroom.kernel import Ref
from greenroom.messages import Completion, ModelCall, Outcome, Phase, Text
from greenroom.specs import BlackBox, Model, TaskSpec, Upstream
from tests.world.blame.case import Case, Ground, Often
from tests.world.models.server import serving

ATTEMPTS = 2
CALLS = 4
"""Model calls that an agent makes."""
ANSWER_SECONDS = 2.0
"""How long a model's server may take."""
ROLLOUT = "r-000001"
PATH = f"/engine/rollouts/{ROLLOUT}"

_PHASES: tuple[Phase, ...] = ("boot", "setup", "agent", "verify", "cleanup")


class Place(Protocol):
    """Where it is played: one kind of sandbox, and what can be done to it from outside."""

    name: Ground

    def engine(self, scene: Scene, model: Model) -> Engine:
        """An engine for this scene."""
        ...

    def task(self, scene: Scene) -> TaskSpec:
        """A task whose phases last long enough for something to happen in each."""
        ...

    async def wait(self, scene: Scene) -> None:
        """Let a random part of the phase go by."""
        ...

    async def spare(self, scene: Scene) -> None:
        """From now on nothing more happens: let go of what waits for it."""
        ...

    async def kill(self, scene: Scene) -> None:
        """Kill the sandbox, the one that was made last."""
        ...


class Scene:
    """A case at one place, with its own dice."""

    def __init__(
        self, case: Case, place: Place, often: Often, seed: int, directory: Path, patch: pytest.MonkeyPatch
    ) -> None:
        self.case = case
        self.place = place
        self.directory = directory
        self.patch = patch
        self.rng = Random(f"{seed} {case.name} {place.name} {often}")  # noqa: S311 - moments
        self.doomed = frozenset({1} if often == "once" else range(1, ATTEMPTS + 1))
        """The attempts in which it happens."""
        self.call = self.rng.randrange(CALLS)
        """The model call at which it happens, if it happens at one."""
        self.by_call = case.at_call or self.rng.random() < 0.5
        self.begun: defaultdict[int, anyio.Event] = defaultdict(anyio.Event)
        """By attempt: that call was made."""
        self.struck: defaultdict[int, anyio.Event] = defaultdict(anyio.Event)
        """By attempt: it has happened."""
        self.attempt = 0
        """The attempt in which it happens next, or has happened last."""
        self.disks = ExitStack()
        """File systems that last as long as it does."""
        self._engine: Engine | None = None
        self._stream: OutcomeStream | None = None

    @property
    def engine(self) -> Engine:
        """The engine that plays it."""
        assert self._engine is not None
        return self._engine

    @property
    def stream(self) -> OutcomeStream:
        """Its one run."""
        assert self._stream is not None
        return self._stream

    @property
    def stage(self) -> Stage:
        """What the engine's actors share."""
        assert self.engine._stage is not None
        return self.engine._stage

    def actor(self, path: str) -> Ref:
        """An actor by its path, in which ``{rollout}`` and ``{attempt}`` stand for those in which it happens."""
        return self.engine.system.lookup(path.format(rollout=PATH, attempt=f"{PATH}/attempt-{self.attempt}"))

    async def play(self) -> Outcome:
        """The one outcome. What was leased is given back, and no key is good any more."""
        with self.disks:
            if self.case.serve is None:
                return await self._play(self.case.model(self) if self.case.model else Muse(self))
            async with serving(self.case.serve(self)) as server:
                return await self._play(self._over_http(f"{server.url}/v1"))

    def _over_http(self, url: str) -> Model:
        if self.case.over == "black_box":
            return BlackBox(url, timeout=ANSWER_SECONDS)
        return Upstream(url, model="m", attempts=2, timeout=ANSWER_SECONDS, token_ids=False)

    async def _play(self, model: Model) -> Outcome:
        self._engine = self.place.engine(self, model)
        outcomes: list[Outcome] = []
        async with self._engine, anyio.create_task_group() as tasks:
            self._stream = self._engine.run([self.place.task(self)])
            if self.case.deed is not None:
                await tasks.start(self._strike)
            await self._fetch(outcomes)
            tasks.cancel_scope.cancel()
        assert (self.stage.leases, self.stage.doors.routes, len(self.stage.routes)) == ({}, {}, 0)
        (outcome,) = outcomes
        return outcome

    async def _fetch(self, outcomes: list[Outcome]) -> None:
        # An engine that gave up says so after its last outcome; that there is one is what counts here.
        with suppress(EngineError):
            async for outcome in self.stream:
                outcomes.append(outcome)  # noqa: PERF401 - a comprehension that fails leaves nothing

    async def _strike(self, task_status: TaskStatus[None]) -> None:
        assert self.case.deed is not None
        with self.engine.system.subscribe() as events:
            task_status.started()
            async for event in events:
                if event.kind == "started" and event.path == PATH:
                    break
        for attempt in sorted(self.doomed):
            self.attempt = attempt
            await self._moment()
            await self.case.deed(self)
            if attempt == max(self.doomed):
                await self.place.spare(self)
            self.struck[attempt].set()

    async def _moment(self) -> None:
        if self.case.phase == "agent" and self.by_call:
            await self.begun[self.attempt].wait()
        else:
            await self._reached(self.case.phase)
        await self.place.wait(self)

    async def attempt_over(self) -> None:
        """Wait until the attempt in which it happened is no more."""
        with self.engine.system.subscribe() as events:
            if self.row is None or self.row.attempt != self.attempt:
                return
            async for event in events:
                if event.kind == "stopped" and event.path in {PATH, f"{PATH}/attempt-{self.attempt}"}:
                    return

    async def _reached(self, phase: Phase) -> None:
        """Wait until the attempt is in this phase: its rollout is told, and the board says so from then on."""
        with self.engine.system.trace(self.actor(PATH), limit=1_000_000) as trace:
            if self._is_in(phase):
                return
            async for _ in trace:
                if self._is_in(phase):
                    return

    def _is_in(self, phase: Phase) -> bool:
        row = self.row
        if row is None or row.phase is None or row.attempt != self.attempt:
            return False
        return _PHASES.index(row.phase) >= _PHASES.index(phase)

    @property
    def row(self) -> RolloutRow | None:
        """What the board says of the rollout, while it runs."""
        return next(iter(self.engine.snapshot().rollouts), None)


class Muse:
    """A model that works. Where something is to happen to the agent at a call, that call is held until it has."""

    def __init__(self, scene: Scene, seconds: float = 0.0) -> None:
        self.scene = scene
        self.seconds = seconds

    async def __call__(self, call: ModelCall) -> Completion:
        """Say something."""
        scene = self.scene
        await anyio.lowlevel.checkpoint()
        if call.attempt in scene.doomed and call.index == scene.call:
            scene.begun[call.attempt].set()
            if scene.case.deed is not None and scene.case.phase == "agent":
                await scene.struck[call.attempt].wait()
        return Completion(parts=(Text(f"answer {call.index}"),))
