"""What holds whatever happens: generated trees, generated accidents, shuffled schedules."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, get_args

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from greenroom.kernel import Call, CallError, ChildSpec, Exit, Killed, Normal, Ref, Supervisor, System
from greenroom.testing import BACKENDS, Backend, leak_check, run_virtual
from tests.kernel.players import Crash, CrashNow, Leave, Player, Say, Wait

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

NAMES = "abc"
Action = Literal["say", "crash", "leave", "break off", "stop", "restart", "ask", "ask to crash", "give up"]


class Step(Struct, frozen=True):
    """After so many seconds, do this to that child, so many times."""

    after: float
    action: Action
    name: str
    times: int


class Plan(Struct, frozen=True):
    """A tree, and what happens to it."""

    strategy: Any
    restarts: list[Any]
    steps: list[Step]
    cancel_at: float | None
    seed: int


steps = st.builds(
    Step,
    after=st.sampled_from([0.0, 0.0, 0.5, 1.0, 7.0]),
    action=st.sampled_from(get_args(Action)),
    name=st.sampled_from(NAMES),
    times=st.integers(1, 3),
)
plans = st.builds(
    Plan,
    strategy=st.sampled_from(["one_for_one", "rest_for_one", "one_for_all", "dynamic"]),
    restarts=st.lists(st.sampled_from(["permanent", "transient", "temporary"]), min_size=3, max_size=3),
    steps=st.lists(steps, max_size=25),
    cancel_at=st.none() | st.floats(0.01, 30),
    seed=st.integers(0, 2**32),
)


class Tracked(Player):
    """A player that is in the books for as long as it lives."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world.log)
        self.heard = world.heard[name]
        self.world = world

    async def started(self) -> None:
        self.world.alive[self.name] += 1
        self.world.most_alive = max(self.world.most_alive, *self.world.alive.values())
        await super().started()
        await anyio.sleep(0.25)

    async def stopped(self, exit: Exit) -> None:
        await anyio.sleep(0.25)
        self.world.alive[self.name] -= 1
        await super().stopped(exit)


class World:
    """One run of a plan, and what is known of it afterwards."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.log: list[str] = []
        self.heard: dict[str, list[str]] = {name: [] for name in NAMES}
        self.alive: Counter[str] = Counter()
        self.most_alive = 0
        self.sent: list[str] = []
        self.calls = 0
        self.answers = 0
        self.dead_letters = 0

    async def run(self) -> World:
        """Play the plan to its end."""
        with anyio.move_on_after(self.plan.cancel_at):
            async with leak_check("task", "system"), anyio.create_task_group() as callers:
                await self.play(callers)
        return self

    async def play(self, callers: anyio.abc.TaskGroup) -> None:
        specs = [
            ChildSpec(name, lambda name=name: Tracked(name, self), restart=restart)  # type: ignore[misc]
            for name, restart in zip(NAMES, self.plan.restarts, strict=True)
        ]
        options: dict[str, Any] = {"strategy": self.plan.strategy, "intensity": 5, "period": 5.0}
        async with System() as system:
            subscription = system.subscribe(limit=100_000)
            try:
                top = await system.start(ChildSpec("top", lambda: Supervisor(specs, **options), restart="temporary"))
                for step in self.plan.steps:
                    await anyio.sleep(step.after)
                    for _ in range(step.times):
                        self.act(step, system.lookup(f"/top/{step.name}"), top, callers)
                await anyio.sleep(10)
            finally:
                with anyio.CancelScope(shield=True):
                    await system.stop_child("top")
                letters = [event.detail for event in subscription.take() if event.kind == "dead_letter"]
                self.dead_letters = sum(letter.startswith("Say:") for letter in letters)

    def act(self, step: Step, target: Ref, top: Ref, callers: anyio.abc.TaskGroup) -> None:
        """Do one thing, without waiting for anything."""
        calls: dict[Action, tuple[Ref, Call[Any], float]] = {
            "stop": (top, Supervisor.StopChild(step.name), 1000.0),
            "restart": (top, Supervisor.RestartChild(step.name), 1000.0),
            "ask": (target, Wait(1.0), 1000.0),
            "ask to crash": (target, CrashNow(), 1000.0),
            "give up": (target, Wait(2.0), 0.5),
        }
        casts: dict[Action, object] = {"crash": Crash(), "leave": Leave(Normal()), "break off": Leave(Killed())}
        if step.action in calls:
            callers.start_soon(self.ask, *calls[step.action])
        elif step.action in casts:
            target.cast(casts[step.action])
        else:
            self.sent.append(f"{len(self.sent):04}")
            target.cast(Say(self.sent[-1]))

    async def ask(self, ref: Ref, message: Call[Any], timeout: float) -> None:
        """One call, of which an end is expected."""
        self.calls += 1
        try:
            await ref.call(message, timeout)
        except (CallError, LookupError, ValueError):
            pass
        finally:
            self.answers += 1


@settings(max_examples=100)
@given(plan=plans)
def test_the_books_balance(backend: Backend, plan: Plan) -> None:
    """Whatever happens to a tree, and whenever it is cancelled, nothing is lost, nothing is doubled, nothing is left.

    Each message was handled or is a dead letter; those to one child were handled in the order they were sent. Each
    call ended. No child ever had two living incarnations, and each that started has stopped.
    """
    world = run_virtual(World(plan).run, backend=backend, seed=plan.seed)
    assert sum(map(len, world.heard.values())) + world.dead_letters == len(world.sent)
    assert all(heard == sorted(heard) for heard in world.heard.values())
    assert world.calls == world.answers
    assert world.most_alive <= 1
    assert not +world.alive
    starts, stops = (sum(word in line for line in world.log) for word in (" starts", " stops"))
    assert starts == stops


@settings(max_examples=25)
@given(plan=plans)
def test_a_seed_is_a_story(backend: Backend, plan: Plan) -> None:
    """The same plan under the same seed goes the same way, to the last line of the log."""
    first, again = (run_virtual(World(plan).run, backend=backend, seed=plan.seed) for _ in range(2))
    assert first.log == again.log
    assert first.heard == again.heard
