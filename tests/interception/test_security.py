"""What must never happen between agents and models: a list of known mistakes of such servers, and a test for each."""

from __future__ import annotations

import ast
import hmac
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import anyio
import anyio.to_thread
import pytest
from msgspec import Struct

from greenroom.engine import Engine, EngineError
from greenroom.interception import Endpoint, Limits, ModelError, Request, Routes
from greenroom.interception.gate import GateModel, PendingCall
from greenroom.interception.routes import Route
from greenroom.messages import Completion, ModelCall
from greenroom.specs import (
    AgentSpec,
    BlackBox,
    Gate,
    HostTool,
    Invocation,
    Launch,
    Scripted,
    Simulated,
    Upstream,
)
from tests.engine.playing import a_task, an_engine, tasks
from tests.interception.dialogue import NAMES, ask
from tests.interception.mistakes import MISTAKES
from tests.interception.talk import HELLO, Owner, quick, serving

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).resolve().parent.parent
SOURCES = sorted((TESTS.parent / "src" / "greenroom").rglob("*.py"))


@pytest.mark.parametrize("place", [place for places in MISTAKES.values() for place in places])
def test_every_mistake_has_its_test(place: str) -> None:
    """The table of known mistakes names tests that are there."""
    module, _, name = place.partition("::")
    defined = [
        node
        for node in ast.walk(_parsed(TESTS / f"{module}.py"))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert name in {node.name for node in defined}


def _parsed(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_loop_is_guessed() -> None:
    """Nowhere is a loop asked for that may be another one than runs, nor, where threads meet, the future of one."""
    guesses = re.compile(r"get_event_loop\(|ensure_future\(|run_coroutine_threadsafe\(")
    assert [str(path) for path in SOURCES if guesses.search(path.read_text(encoding="utf-8"))] == []
    here = [path for path in SOURCES if "interception" in path.parts]
    assert [str(path) for path in here if "create_future(" in path.read_text(encoding="utf-8")] == []


class Crowd:
    """Threads and agents at one gate."""

    def __init__(self) -> None:
        self.gate = GateModel()
        self.handed: list[PendingCall] = []
        self.ended: list[bool] = []
        """Whether an answer was the first, for every answer."""
        self.got: list[Completion | str] = []
        self.over = threading.Event()

    def own(self) -> None:
        """Answer, fail, pause and resume, again and again."""
        while not self.over.wait(0.0005):
            for call in self.handed.copy():
                self.gate.pause()
                self.ended += [call.reply(HELLO), call.fail()]
                self.gate.resume()

    async def ask(self, number: int) -> None:
        """A call; every fifth agent leaves at once."""
        call = ModelCall(id=str(number), rollout_id=f"r{number % 9}", dialect="chat", model="m", messages=())
        with anyio.move_on_after(0.001 if number % 5 == 0 else 20):
            try:
                self.got.append(await self.gate(call))
            except ModelError as error:
                self.got.append(error.kind)

    async def take(self) -> None:
        """Hand all calls to the threads."""
        async for batch in self.gate.calls(8, linger=0):
            self.handed[:] = [*(call for call in self.handed if not call.ended), *batch]

    async def meet(self, agents: int) -> None:
        """So many agents, until all have been answered or have left."""
        async with anyio.create_task_group() as owners:
            owners.start_soon(self.take)
            async with anyio.create_task_group() as group:
                for number in range(agents):
                    group.start_soon(self.ask, number)
            await self.gate.close()


@pytest.mark.real_time
async def test_many_threads_at_one_gate() -> None:
    """Threads that answer, fail, pause and resume while agents come and go end every call once and break nothing."""
    crowd = Crowd()
    threads = [threading.Thread(target=crowd.own) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        await crowd.meet(300)
    finally:
        crowd.over.set()
        for thread in threads:
            await anyio.to_thread.run_sync(thread.join)
    assert len(crowd.gate) == 0
    assert 240 <= len(crowd.got) <= 300
    assert all(answer in (HELLO, "failed") for answer in crowd.got)
    assert len(crowd.got) <= sum(crowd.ended) <= 300


async def test_closing_races_the_wait_for_a_call() -> None:
    """Whichever comes first, a session that is closed while somebody waits at it tells them that there are no more."""
    async with an_engine(model=Gate()) as engine:
        for rounds in range(12):
            session = engine.session(a_task())
            found: list[object] = []
            async with anyio.create_task_group() as group:

                async def wait(into: list[object] = found) -> None:
                    while (call := await session.next_call()) is not None:  # noqa: B023 - awaited in this round
                        into.append(call)

                group.start_soon(wait)
                for _ in range(rounds):
                    await anyio.lowlevel.checkpoint()
                group.start_soon(session.aclose)
                group.start_soon(session.aclose)
            try:
                assert (await session.outcome()).status == "cancelled"
            except EngineError as error:
                assert "before it began" in str(error)  # noqa: PT017 - either may be


KEYED = ("authorization", "x-api-key", "x-goog-api-key")


@pytest.mark.parametrize("blank", ["", " ", "\t", "\u00a0", "Bearer", "None", "null"])
async def test_blank_keys_open_nothing(blank: str) -> None:
    """A key that is missing, blank or a placeholder is refused, wherever it stands."""
    routes = Routes()
    routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        for name, value in (("authorization", f"Bearer {blank}"), *((name, blank) for name in KEYED)):
            headers = {name: value}
            request = Request(method="GET", path="/v1/models", headers=headers)
            assert (await endpoint.handle(request)).status == 401
        request = Request(method="GET", path="/v1/models", headers={}, query={"key": blank})
        assert (await endpoint.handle(request)).status == 401


def said_to(launch: Launch, places: list[str]) -> Invocation:
    """An agent that notes all it is told."""
    places.append(repr(launch))
    return Invocation(argv=("true",), env={"BASE": launch.base_url}, stdin=launch.instruction)


async def test_agents_know_of_no_other_address() -> None:
    """Nothing an agent is given leads to the model's real server: whoever is intercepted cannot go around it."""
    told: list[str] = []
    agent = AgentSpec(name="nosy", dialect="chat", command=lambda launch: said_to(launch, told))
    model = Upstream(base_url="http://real-model.example/v1", model="m")
    engine = Engine(agent, model=model, sandbox=Simulated())
    told.clear()
    async with engine:
        assert [outcome.status async for outcome in engine.run(tasks(2))]
    assert len(told) == 2
    assert "real-model" not in str(told)
    assert "memory:/v1" in told[0]


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_it_listens_on_loopback_alone() -> None:
    """Unless told otherwise the server is on 127.0.0.1."""
    from tests.interception.wiring import serving as listening

    async with listening(Routes()) as server:
        assert server._main is not None
        assert server._main.address[0] == "127.0.0.1"


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long it takes to refuse a key says nothing of how much of it is right: digests are compared, in full."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(mine: bytes, theirs: bytes) -> bool:
        compared.append((mine, theirs))
        return hmac.compare_digest(mine, theirs)

    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    monkeypatch.setattr("greenroom.interception.routes.hmac", SimpleNamespace(compare_digest=compare))
    assert routes.find(route.key) is route
    assert routes.find(route.key[:-1] + "!") is None
    assert len(compared) == 1
    assert [len(digest) for digest in compared[0]] == [32, 32]
    assert set(routes._routes) == {compared[0][0]}


@pytest.mark.parametrize("spec", [Limits, Upstream, BlackBox, Scripted, HostTool])
def test_no_setting_does_nothing(spec: type[Struct]) -> None:
    """Every field that a user may set is looked at somewhere."""
    read = {
        node.attr for path in SOURCES for node in ast.walk(_parsed(path)) if isinstance(node, ast.Attribute)
    }  # fmt: skip
    assert set(spec.__struct_fields__) - read == set()


@pytest.mark.parametrize("name", NAMES)
async def test_a_key_is_of_no_use_elsewhere(name: str) -> None:
    """With its key an agent reaches its own route in every dialect, and no path, header or query leads to another."""
    routes, theirs = Routes(), Owner()
    mine = routes.open(quick, rollout_id="mine")
    other = routes.open(theirs, rollout_id="theirs")
    theirs.answer()
    async with serving(routes) as endpoint:
        async with anyio.create_task_group() as tasks:
            request = ask(name, mine.key, x_rollout_id="theirs", idempotency_key="theirs", session_id=other.key[:8])
            tasks.start_soon(endpoint.handle, request)
        for path in ("/rollout/theirs/v1/chat/completions", "/v1/rollouts", "/v1/rollouts/theirs", "/theirs/v1/models"):
            response = await endpoint.handle(
                Request(method="GET", path=path, headers={"authorization": f"Bearer {mine.key}"})
            )
            assert response.status == 404
            assert b"theirs" not in await response.read()
    assert (theirs.asked, mine.counters.calls) == ([], 1)


VERBS = [
    *("reset", "step", "state", "close", "exit", "tools", "next_request", "deliver", "register", "unregister", "stop"),
    *("pause", "resume", "rollouts", "ps", "tree", "metrics", "admin"),
]


@pytest.mark.parametrize("verb", VERBS)
async def test_there_is_nothing_to_control(verb: str) -> None:
    """No path, with or without a key, controls a rollout, an environment or the engine."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    async with serving(routes) as endpoint:
        for path in (f"/{verb}", f"/v1/{verb}", f"/v1/{verb}/r", f"/rollout/r/v1/{verb}", f"/engine/{verb}"):
            for method in ("GET", "POST", "PUT", "DELETE"):
                for key in (route.key, ""):
                    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
                    request = Request(method=method, path=path, headers=headers, body=b"{}")
                    assert (await endpoint.handle(request)).status == 404
    assert_untouched(routes, route)


async def test_health_says_and_changes_nothing() -> None:
    """The one thing strangers may ask is answered in the same words always, and nobody can post to it."""
    routes = Routes()
    route = routes.open(quick, rollout_id="r")
    endpoint = Endpoint(routes)
    response = await endpoint.handle(Request(method="GET", path="/health", headers={}))
    assert (response.status, await response.read()) == (200, b'{"status":"ok"}')
    assert (await endpoint.handle(Request(method="POST", path="/health", headers={}))).status == 404
    assert_untouched(routes, route)


def assert_untouched(routes: Routes, route: Route) -> None:
    """The route is as if nobody had been there."""
    assert (len(routes), route.closed, route.counters.calls, route.waiting, route.fault) == (1, False, 0, 0, None)


async def test_a_start_that_fails_leaves_no_key() -> None:
    """An agent whose command cannot be built, and a rollout that is cancelled while it starts, leave no route."""

    def broken(launch: Launch) -> Invocation:
        if launch.base_url.startswith("memory:"):
            raise ValueError(launch.api_key)
        return Invocation(argv=("true",), env={"BASE": launch.base_url}, stdin=launch.instruction)

    agent = AgentSpec(name="broken", dialect="chat", command=broken)
    async with Engine(agent, model=quick, sandbox=Simulated(), attempts=1) as engine:
        assert engine._stage is not None
        (outcome,) = [outcome async for outcome in engine.run(tasks(1))]
        assert (outcome.status, len(engine._stage.routes)) == ("agent_failed", 0)
        with anyio.move_on_after(0.5):
            await anext(engine.run(tasks(1)))
        await engine.stop()
        assert len(engine._stage.routes) == 0


async def test_waiting_rollouts_cost_no_threads() -> None:
    """Two hundred sessions that wait for their agents need no thread, and a busy one beside them is served."""
    async with an_engine(model=Gate(), concurrency=1000, sandbox=Simulated(turn=3000), deadline=100_000) as engine:
        before = set(threading.enumerate())
        sessions = [engine.session(task) for task in tasks(200)]
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(session.next_call)
            await anyio.sleep(100)
            assert set(threading.enumerate()) <= before
            assert engine.snapshot().running == 200
            group.cancel_scope.cancel()


async def test_who_waits_is_woken_by_its_own_calls_alone() -> None:
    """Calls of one rollout wake nobody who waits for those of another, however many there are."""
    gate = GateModel()
    desks = [gate.desk(f"r{number}") for number in range(300)]
    async with anyio.create_task_group() as group:
        for desk in desks:
            group.start_soon(desk.arrived)
        await anyio.wait_all_tasks_blocked()
        waiting = [desk._wakeup for desk in desks]
        for number in range(50):
            busy = ModelCall(id=str(number), rollout_id="r0", dialect="chat", model="m", messages=())
            group.start_soon(gate, busy)
            await anyio.wait_all_tasks_blocked()
        assert [desk._wakeup for desk in desks[1:]] == waiting[1:]
        assert desks[0]._wakeup is not waiting[0]
        group.cancel_scope.cancel()


async def test_a_completion_is_never_echoed_to_strangers() -> None:
    """A finished call's answer is not given again to another key that asks in the same words."""
    routes, first = Routes(Limits()), Owner()
    first.answer(HELLO)
    mine, other = routes.open(first, rollout_id="a"), routes.open(quick, rollout_id="b")
    async with serving(routes) as endpoint:
        answers = [
            await (await endpoint.handle(ask("chat", route.key, x_stainless_retry_count="3"))).read()
            for route in (mine, other)
        ]
    assert (b"hello" in answers[0], b"answer 0" in answers[1]) == (True, True)
