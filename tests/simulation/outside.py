"""What is done to a simulated tree from outside any actor: one task for each act, and for each fault with a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from greenroom.kernel import CallError, StartFailed, Supervisor
from tests.simulation.plan import Act, Fault
from tests.simulation.post import Post
from tests.simulation.troupe import spec

if TYPE_CHECKING:
    from tests.simulation.stage import Stage


async def raise_curtain(stage: Stage) -> None:
    """Start the trees, one after the other."""
    for node in stage.journal.plan.tree:
        try:
            await stage.start(spec(stage, f"/{node.id}", node))
        except (StartFailed, CallError) as failed:
            stage.journal.note(f"/{node.id} did not start: {failed}")


async def perform(stage: Stage, act: Act, number: int) -> None:
    """Do one act when its time has come."""
    await anyio.sleep(act.at)
    stage.journal.note(f"act {number} {act.verb} {act.target}")
    await _ACTS[act.verb](stage, act, Post(stage, f"act-{number}"))


async def _cast(stage: Stage, act: Act, post: Post) -> None:
    for _ in range(int(act.amount)):
        post.cast(act.target, act.deeds)


async def _call(stage: Stage, act: Act, post: Post) -> None:
    for _ in range(int(act.amount)):
        await post.call(act.target, act.deeds, act.timeout)


async def _send(stage: Stage, act: Act, post: Post) -> None:
    for _ in range(int(act.amount)):
        await post.send(act.target, act.deeds, act.timeout)


async def _burst(stage: Stage, act: Act, post: Post) -> None:
    """Many callers at once."""
    async with anyio.create_task_group() as callers:
        for number in range(int(act.amount)):
            callers.start_soon(post.split(number).call, act.target, act.deeds, act.timeout)


async def _suspend(stage: Stage, act: Act, _: Post) -> None:
    life = stage.journal.lives.at(act.target)
    if life is None or life.cell is None:
        return
    lanes = stage.journal.lanes
    stage.suspend(life.cell.ref)
    stage.change(life.cell.ref, lambda _: lanes.suspended(life))
    await anyio.sleep(act.amount)
    lanes.resumed(life)
    stage.suspend(life.cell.ref, on=False)
    stage.change(life.cell.ref, lambda _: lanes.resumed(life))


async def _probe(stage: Stage, act: Act, _: Post) -> None:
    life = stage.journal.lives.at(act.target)
    if life is not None and life.cell is not None:
        probe = stage.journal.lanes.sent(life)
        stage.change(life.cell.ref, lambda _: stage.journal.lanes.arrived(probe))


async def _look(stage: Stage, act: Act, _: Post) -> None:
    for status in stage.tree():
        stage.inspect(status.path)
    stage.journal.groups.check(stage)


async def _trace(stage: Stage, act: Act, _: Post) -> None:
    try:
        trace = stage.trace(stage.lookup(act.target), limit=max(1, int(act.amount)))
    except LookupError:
        return
    await anyio.sleep(act.timeout)
    trace.close()
    records = trace.take()
    if len(records) > max(1, act.amount):
        stage.journal.breach("P9", f"a trace of {act.amount:g} holds {len(records)} records")


async def _ask_supervisor(stage: Stage, act: Act, _: Post) -> None:
    above, _slash, id = act.target.rpartition("/")
    supervisor = stage.lookup(above) if above else stage.root
    began = stage.journal.now()
    try:
        result = await supervisor.call(_request(stage, act, id), act.timeout)
        stage.journal.note(f"{act.verb} {act.target}: {result}")
    except (CallError, StartFailed, LookupError, ValueError) as error:
        stage.journal.note(f"{act.verb} {act.target}: {type(error).__name__}")
    stage.journal.budgets.asked(f"to {act.verb} {act.target}", began, act.timeout)


def _request(stage: Stage, act: Act, id: str) -> Any:  # noqa: ANN401
    if act.node is not None:
        return Supervisor.StartChild(spec(stage, act.target, act.node))
    return {"stop": Supervisor.StopChild, "restart": Supervisor.RestartChild, "delete": Supervisor.DeleteChild}[
        act.verb
    ](id)


_ACTS = {
    "burst": _burst,
    "call": _call,
    "cast": _cast,
    "delete": _ask_supervisor,
    "look": _look,
    "probe": _probe,
    "restart": _ask_supervisor,
    "send": _send,
    "start": _ask_supervisor,
    "stop": _ask_supervisor,
    "suspend": _suspend,
    "trace": _trace,
}


async def strike(stage: Stage, fault: Fault) -> None:
    """Kill somebody, or cancel everything, when the time has come."""
    if fault.kind == "raise":
        return  # the block of the system does that itself
    await anyio.sleep(fault.amount)
    stage.journal.faults.struck += 1
    if fault.kind == "cancel":
        stage.cancel_all()
    else:
        stage.strike(fault.target)
