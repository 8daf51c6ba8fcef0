from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest

from greenroom.kernel import Event
from tests.engine.playing import a_task, an_engine, backend, stage

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
ATTEMPT = "/engine/rollouts/r-000001/attempt-1"


async def events_of_a_rollout(*, die: bool) -> list[Event]:
    """What happens to the actors of one rollout with one attempt, whose sandbox dies or not."""
    engine = an_engine(attempts=1)
    happened: list[Event] = []
    async with engine, anyio.create_task_group() as group:
        with engine.system.subscribe() as events:
            group.start_soon(anext, engine.run([a_task()]))
            await anyio.sleep(10)
            if die:
                backend(engine).sandboxes["r-000001-1"].die()
            await anyio.sleep(100)
            happened += events.take()
    return [event for event in happened if event.path.startswith("/engine/rollouts/")]


async def test_an_attempt_starts_left_to_right() -> None:
    """Mailbox, sandbox, agent and verifier start in this order, and each can rely on those before it."""
    started = [event.path for event in await events_of_a_rollout(die=False) if event.kind == "started"]
    children = [f"{ATTEMPT}/{name}" for name in ("mailbox", "sandbox", "agent", "verifier")]
    assert started == ["/engine/rollouts/r-000001", ATTEMPT, *children]


async def test_an_attempt_ends_with_its_verifier() -> None:
    """The verifier's end takes the others along, right to left, without anything having crashed."""
    ended = [event for event in await events_of_a_rollout(die=False) if event.kind in {"stopped", "crashed"}]
    children = [f"{ATTEMPT}/{name}" for name in ("verifier", "agent", "sandbox", "mailbox")]
    assert [event.path for event in ended] == [*children, ATTEMPT, "/engine/rollouts/r-000001"]
    assert {event.kind for event in ended} == {"stopped"}


async def test_a_lost_sandbox_is_the_only_crash() -> None:
    """When a sandbox is lost, its actor crashes of it and nobody else does; nothing is restarted."""
    happened = await events_of_a_rollout(die=True)
    assert [event.path for event in happened if event.kind == "crashed"] == [f"{ATTEMPT}/sandbox"]
    assert "restarted" not in {event.kind for event in happened}
    assert happened[-1].path == "/engine/rollouts/r-000001"


async def test_the_engines_tree() -> None:
    """What rollouts can outlive comes first, the rollouts come after it, and who submits them comes last."""
    async with an_engine() as engine:
        paths = [row.path for row in engine.system.tree("/engine")]
    names = ("journal", "interception", "sandboxes", "console", "rollouts", "runs")
    assert paths == ["/engine", *(f"/engine/{name}" for name in names)]


async def test_every_actor_shows_itself() -> None:
    """Each actor of a running rollout can be observed, and none of them shows the agent's key."""
    engine = an_engine()
    seen: dict[str, object] = {}
    keys: list[str] = []
    async with engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run([a_task()]))
        await anyio.sleep(7.5)
        keys += [route.key for route in stage(engine).doors.routes.values()]
        for row in engine.system.tree("/engine"):
            detail = engine.system.inspect(row.path)
            assert detail is not None
            assert detail.observed is not None, row.path
            seen[row.path] = detail
        group.cancel_scope.cancel()
    assert f"{ATTEMPT}/mailbox" in seen
    assert keys[0] not in repr(seen)


def drawn(page: str) -> list[tuple[int, str]]:
    """The engine's tree as a page draws it: how deep, and the first word of each name."""
    tree = re.search(r"^.*\n└─ engine.*\n(?: .*\n)+", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    assert tree is not None
    nodes = re.findall(r"^([ │├└]*─) (.+?)(?: {2,}.*)?$", tree[0], re.MULTILINE)
    return [(len(lines) // 3 + 1, kind(name)) for lines, name in nodes]


def kind(name: str) -> str:
    """What an actor is, without the number of a rollout or an attempt."""
    return re.sub(r"^(?:r-\d+|rollout r-\d+)$", "rollout", re.sub(r"^attempt[- ]\d+$", "attempt", name))


@pytest.mark.parametrize("page", ["house.md", "cli.md"])
async def test_the_tree_on_a_page_is_the_tree_that_runs(page: str) -> None:
    """Pages that draw the engine's tree have every actor of it in its place, but for those of a single run."""
    engine = an_engine(attempts=1)
    async with engine, anyio.create_task_group() as group:
        group.start_soon(anext, engine.run([a_task()]))
        await anyio.sleep(10)
        paths = [row.path.split("/")[1:] for row in engine.system.tree("/engine")]
        await anyio.sleep(100)
    live = [(len(names), kind(names[-1])) for names in paths if names[1:2] != ["runs"] or names[2:] == []]
    assert drawn(page) == live
