"""Our side: the same case on greenroom's kernel, in virtual time, or in real time where no step needs any."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Awaitable, Callable

import anyio
from msgspec import Struct

from greenroom.kernel import (
    Actor,
    CallError,
    ChildSpec,
    Exit,
    Killed,
    Normal,
    Ref,
    Shutdown,
    StartFailed,
    System,
    on,
)
from greenroom.kernel import Supervisor as Kernel
from greenroom.kernel._childspec import Grace
from greenroom.kernel._supervisor import Children
from tests.oracle.model import GRACE_MS, PERIOD_FOREVER, Case, Child, Step, Tree, Worker
from tests.oracle.trace import Moment

SLOW = 1000
"""Our clock runs this much slower than the script's, so that settling between two steps takes no time in its terms."""


class Leave(Struct, frozen=True):
    """End for this reason."""

    reason: str


class Hang(Struct, frozen=True):
    """Never look at another message."""


class Log:
    """What happened since the last look."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.starts: Counter[str] = Counter()

    def take(self) -> tuple[str, ...]:
        events, self.events = self.events, []
        return tuple(events)


class Leaf(Actor):
    """A worker that does as it is told."""

    def __init__(self, worker: Worker, log: Log) -> None:
        self.worker = worker
        self.log = log
        self.up = False

    async def started(self) -> None:
        name, plan = self.worker.name, self.worker.plan
        number = self.log.starts[name]
        self.log.starts[name] += 1
        how = plan[number] if number < len(plan) else "ok"
        self.log.events.append(f"{'start' if how == 'ok' else how} {name}")
        if how == "fail":
            raise RuntimeError("planned")
        if how == "ignore":
            self.stop()
        self.up = how == "ok"

    async def stopped(self, exit: Exit) -> None:
        # OTP runs no terminate in a process it kills; ours does so where it can, which is no difference to compare.
        if self.up and not isinstance(exit, Killed):
            self.log.events.append(f"stop {self.worker.name} {word(exit)}")

    @on(Leave)
    def end(self, message: Leave) -> None:
        if message.reason == "boom":
            raise RuntimeError("boom")
        self.stop(Normal() if message.reason == "normal" else Shutdown())

    @on(Hang)
    async def hang(self, _: Hang) -> None:
        await anyio.sleep_forever()


class Told(Kernel):
    """A supervisor that logs its start."""

    def __init__(self, tree: Tree, log: Log) -> None:
        period = tree.period if tree.period == PERIOD_FOREVER else tree.period * SLOW
        super().__init__(
            [spec(child, log) for child in tree.children],
            strategy=tree.strategy,
            intensity=tree.intensity,
            period=period,
            auto_shutdown=tree.auto_shutdown,
        )
        self.tree = tree
        self.log = log

    async def started(self) -> None:
        self.log.events.append(f"start {self.tree.name}")
        await super().started()


def word(exit: Exit) -> str:
    """The driver's word for an exit."""
    words: dict[type[Exit], str] = {Normal: "normal", Shutdown: "shutdown"}
    return words.get(type(exit), "crash")


def spec(child: Child, log: Log) -> ChildSpec:
    """The child as our kernel wants it."""
    body = child.body
    if isinstance(body, Tree):
        return ChildSpec(body.name, lambda: Told(body, log), child.restart, math.inf, significant=child.significant)
    grace: Grace = "brutal" if child.brutal else GRACE_MS / 1000
    return ChildSpec(body.name, lambda: Leaf(body, log), child.restart, grace, significant=child.significant)


async def half_a_second() -> None:
    """In virtual time that is until nothing happens any more, a worker's grace included."""
    await anyio.sleep(0.5)


async def run(case: Case, settle: Callable[[], Awaitable[None]] = half_a_second) -> list[Moment]:
    """What our kernel makes of the case; ``settle`` returns once nothing happens any more."""
    log = Log()
    async with System(fence_after=0.1, intensity=0) as system:
        try:
            await system.start(spec(Child(case.tree, "temporary"), log))
            first = "ok"
        except StartFailed:
            first = "failed"
        await settle()
        moments = [moment(system, log, first)]
        for step in case.script:
            result = await act(system, step, log, settle)
            await settle()
            moments.append(moment(system, log, result))
        await system.stop_child(case.tree.name)
        await settle()
        moments.append(moment(system, log, "ok"))
    return moments


def moment(system: System, log: Log, result: str) -> Moment:
    """What is to be seen."""
    counts: dict[str, tuple[int, int]] = {}
    for path in system.cells:
        detail = system.inspect(path)
        if path != "/" and detail is not None and isinstance(detail.observed, Children):
            counts[path.rpartition("/")[2]] = (detail.observed.specs, detail.observed.active)
    alive = sorted(path.rpartition("/")[2] for path in system.cells if path != "/")
    return Moment(result, log.take(), tuple(alive), counts)


async def act(system: System, step: Step, log: Log, settle: Callable[[], Awaitable[None]]) -> str:
    """Do one step; its result in the driver's words."""
    if step.verb == "wait":
        await anyio.sleep(int(str(step.more)) / 1000 * SLOW)
        return "ok"
    path = next((path for path in system.cells if path.endswith(f"/{step.name}")), None)
    if path is None:
        return "absent"
    ref = system.lookup(path)
    match step.verb:
        case "exit":
            cell = system.cells[path]
            ref.cast(Leave(str(step.more)))
            await settle()
            return "ok" if cell.closed else "hangs"
        case "kill":
            system.kill(ref)
            return "ok"
        case "hang":
            ref.cast(Hang())
            return "ok"
        case _:
            return await ask(system, path, step, log)


async def ask(system: System, path: str, step: Step, log: Log) -> str:
    """Call the supervisor's API, and say how it went."""
    try:
        return await _ask(system.lookup(path), step, log)
    except (StartFailed, LookupError, ValueError, CallError) as error:
        words = {"StartFailed": "failed", "LookupError": "not_found"}
        words["ValueError"] = "taken" if step.verb == "start" else "busy"
        return words.get(type(error).__name__, "lost")


async def _ask(ref: Ref, step: Step, log: Log) -> str:
    id = str(step.more)
    if step.verb == "terminate":
        return "ok" if await ref.call(Kernel.StopChild(id), timeout=math.inf) else "not_found"
    if step.verb == "delete":
        await ref.call(Kernel.DeleteChild(id), timeout=math.inf)
        return "ok"
    if isinstance(step.more, Child):
        child = await ref.call(Kernel.StartChild(spec(step.more, log)), timeout=math.inf)
    else:
        child = await ref.call(Kernel.RestartChild(id), timeout=math.inf)
    return "ok" if child.alive else "ignored"
