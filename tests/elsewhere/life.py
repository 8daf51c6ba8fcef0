"""What can be done on any system: a kernel's system, an engine with simulated sandboxes and a store, and a script."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
from msgspec import Struct

import greenroom as gr
from greenroom.engine.store import StoreError
from greenroom.kernel import Actor, Call, ChildSpec, Supervisor, System, on
from greenroom.messages import Completion, ModelCall, Text
from greenroom.sandboxes import SandboxError

TASKS = [gr.TaskSpec(id=f"t{number}", instruction="do it", verify=("true",)) for number in range(5)]
SANDBOX = gr.Simulated(boot=0.001, turn=0.001)


class Crash(Struct, frozen=True):
    """Raise."""


class Count(Call[int], frozen=True):
    """How often it was asked."""


class Counter(Actor):
    """Counts, and crashes when it is told to."""

    def __init__(self) -> None:
        self.count = 0

    @on(Count)
    def answer(self, _: Count) -> int:
        self.count += 1
        return self.count

    @on(Crash)
    def crash(self, _: Crash) -> None:
        raise RuntimeError("told to")


async def model(_: ModelCall) -> Completion:
    """An answer."""
    return Completion(parts=(Text("done"),))


async def supervise() -> None:
    """A supervisor restarts its child."""
    async with System() as system:
        await system.start(ChildSpec("top", lambda: Supervisor([ChildSpec("counter", Counter)])))
        counter = system.lookup("/top/counter")
        assert await counter.call(Count()) == 1
        with system.subscribe() as events:
            counter.cast(Crash())
            async for event in events:
                if event.kind == "started":
                    break
        assert await counter.call(Count()) == 1


async def roll_out(place: Path) -> None:
    """Run tasks with a store, and go on with what is done."""
    async with gr.Engine("simulated", model=model, sandbox=SANDBOX, store=place) as engine:
        outcomes = [outcome async for outcome in engine.run(TASKS)]
        found = engine.system.inspect("/engine/console")
        assert found is not None
        assert found.observed.socket or "no Unix sockets" in found.observed.problem, found.observed
        assert engine.snapshot().paused == ""
        try:
            async with gr.Engine("simulated", model=model, sandbox=SANDBOX, store=place):
                raise AssertionError("two engines hold one store")
        except StoreError as error:
            if "in use by another engine" not in str(error):
                raise
    assert [outcome.status for outcome in outcomes] == ["completed"] * 5, outcomes
    async with gr.Engine("simulated", model=model, sandbox=SANDBOX, store=place) as engine:
        assert {outcome.rollout_id for outcome in [o async for o in engine.run(TASKS)]} == {
            outcome.rollout_id for outcome in outcomes
        }


async def be_refused() -> None:
    """Local sandboxes are refused in one sentence."""
    try:
        async with gr.Engine("bash", model=model, sandbox=gr.Local()):
            raise AssertionError("it has local sandboxes")
    except SandboxError as error:
        print(error)  # noqa: T201


def main() -> None:
    """All of it."""
    place = Path(sys.argv[1])
    anyio.run(supervise)
    anyio.run(roll_out, place)
    with gr.open_engine("simulated", model=model, sandbox=SANDBOX) as engine:
        assert [outcome.status for outcome in engine.run(TASKS)] == ["completed"] * 5
    anyio.run(be_refused)
    print(f"lived on {sys.platform}")  # noqa: T201


if __name__ == "__main__":
    main()
