"""Ours, in a process of its own: the server, and for each rollout the mailbox that its calls pass and are recorded by.

    open {model, count, size, upstream}   so many rollouts, of one of MODELS; where to reach them, and their keys;
                                          the gate's owner answers ``size`` calls at a time
    close {}                              end them
    resident {}                           bytes in memory

With the argument ``restless``: Python's garbage collector is as Python has it, not as an engine sets it.

MODELS: ``upstream`` asks for the exact tokens, ``plain`` does not, ``gate`` is answered by a thread with a loop of its
own, ``desk`` rollout by rollout in the server's loop.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import count
from pathlib import Path

import anyio

from _child import Fields, attend
from _interception_talk import SAID, TURNS, prompt_length, token
from greenroom.actors.board import Board
from greenroom.actors.budget import share
from greenroom.actors.clock import Clock
from greenroom.actors.events import TurnRecorded
from greenroom.actors.gateway import HttpGateway
from greenroom.actors.interception import Interception, OpenDoor
from greenroom.actors.mailbox import GetKey, Mailbox
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.stage import Doors, Stage
from greenroom.engine.collector import calm_collector
from greenroom.interception import OpenModel, Routes, model_for
from greenroom.interception.desk import Desk
from greenroom.interception.gate import GateModel, PendingCall
from greenroom.kernel import Actor, ChildSpec, Ref, Supervisor, System, on
from greenroom.messages import Completion, Text, ToolResult, ToolUse, Usage
from greenroom.sandboxes import open_backend
from greenroom.specs import Simulated, TaskSpec, Upstream
from greenroom.specs.registry import agent_spec

_DAY = 86_400.0


def answers() -> list[Completion]:
    """The answer to each turn."""
    return [_answer(prompt_length(turn)) for turn in range(TURNS)]


def _answer(size: int) -> Completion:
    return Completion(
        parts=(Text("I will look at the file. " * 8), ToolUse("call_1", "tool_0", '{"p0": "cat src/a.py"}')),
        finish_reason="tool_calls",
        usage=Usage(size, SAID),
        prompt_token_ids=tuple(token(at) for at in range(size)),
        completion_token_ids=tuple(token(at) for at in range(size, size + SAID)),
        logprobs=tuple(-0.0625 - at / 1024 for at in range(SAID)),
    )


class Owner:
    """Owns the gate's forward pass: a thread with a loop of its own, as a trainer is."""

    def __init__(self, gate: GateModel) -> None:
        self._gate = gate
        self._answers = answers()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)
        self.size = 1

    def start(self) -> None:
        self._thread.start()

    async def join(self) -> None:
        """Wait for it; the gate has to be closed."""
        await asyncio.to_thread(self._thread.join, 5)

    def answer(self, call: PendingCall) -> None:
        """Nothing is thought: the turn is told by the results of tools."""
        turn = sum(isinstance(message.parts[-1], ToolResult) for message in call.messages if message.parts)
        call.reply(self._answers[min(turn, TURNS - 1)])

    async def _work(self) -> None:
        held: list[PendingCall] = []
        async for batch in self._gate.calls(max_batch=256, linger=0):
            held += batch
            if len(held) >= self.size:
                for call in held:
                    self.answer(call)
                held = []


class Rollout(Actor):
    """Stands for the actors that are told of turns, and keeps none."""

    @on(TurnRecorded)
    def turn(self, _: TurnRecorded) -> None:
        return


class House:
    """An engine, as far as model calls go."""

    def __init__(self) -> None:
        self._routes = Routes()
        self._doors = Doors()
        self._gate = GateModel()
        self._owner = Owner(self._gate)
        self._models: dict[str, OpenModel] = {"gate": self._gate, "desk": self._gate}
        self._numbers = count()
        self._desks: list[Desk] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, system: System) -> None:
        """Start what rollouts share, and the owner's thread."""
        interception = partial(Interception, self._routes, self._doors, partial(HttpGateway, self._routes))
        self._interception = await system.start(ChildSpec("interception", interception))
        self._rollout = await system.start(ChildSpec("rollout", Rollout))
        self._crowd = await system.start(ChildSpec("crowd", partial(Supervisor, strategy="dynamic")))
        self._url = await self._interception.call(OpenDoor(self._rollout, None, None))
        self._system = system
        self._owner.start()

    async def stop(self) -> None:
        """End the owner's thread."""
        for model in self._models.values():
            await model.close()
        await self._owner.join()

    async def open(self, fields: Fields) -> Fields:
        self._owner.size = fields["size"]
        stage = await self._stage(fields["model"], fields.get("upstream", ""))
        ids = [f"r-{next(self._numbers):06d}" for _ in range(fields["count"])]
        if fields["model"] == "desk":
            self._wait(ids)
        refs = [await self._admit(stage, id) for id in ids]
        return {"url": self._url, "keys": [(await ref.call(GetKey())).text for ref in refs]}

    async def close(self, _: Fields) -> Fields:
        await self._system.stop_child("crowd")
        self._crowd = await self._system.start(ChildSpec("crowd", partial(Supervisor, strategy="dynamic")))
        for desk in self._desks:
            desk.close()
        await asyncio.gather(*self._tasks)
        self._desks, self._tasks = [], []
        gc.collect()
        return {"routes": len(self._routes)}

    async def resident(self, _: Fields) -> Fields:
        gc.collect()
        return {"bytes": _resident()}

    async def _admit(self, stage: Stage, id: str) -> Ref:
        task = TaskSpec(id="bench", instruction="")
        now = anyio.current_time()
        plan = AttemptPlan(
            rollout_id=id,
            task=task,
            sample=0,
            number=1,
            began=now,
            budget=share(task, _DAY, now),
            clock=Clock(0.0, 0.0),
            rollout=self._rollout,
        )
        return await self._crowd.call(Supervisor.StartChild(ChildSpec(id, partial(Mailbox, stage, plan))))

    async def _stage(self, name: str, url: str) -> Stage:
        if name not in self._models:
            self._models[name] = model_for(Upstream(f"{url}/v1", model="greenroom", token_ids=name == "upstream"))
        return Stage(
            agent=agent_spec("bash"),
            backend=await open_backend(Simulated()),
            model=self._models[name],
            model_name="greenroom",
            prefix="",
            routes=self._routes,
            board=Board(),
            desk_of=self._gate.desk_of,
            interception=self._interception,
            sandboxes=self._rollout,
            doors=self._doors,
        )

    def _wait(self, ids: Sequence[str]) -> None:
        for id in ids:
            desk = self._gate.desk(id)
            self._desks.append(desk)
            self._tasks.append(asyncio.create_task(self._drive(desk)))

    async def _drive(self, desk: Desk) -> None:
        while await desk.arrived():
            if (call := desk.take()) is not None:
                self._owner.answer(call)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


async def serve() -> None:
    house = House()
    async with System("bench") as system:
        await house.start(system)
        try:
            await attend({"open": house.open, "close": house.close, "resident": house.resident})
        finally:
            await house.stop()


if __name__ == "__main__":
    with nullcontext() if "restless" in sys.argv else calm_collector():
        anyio.run(serve)
