"""Programs that an agent's spec requires are looked for in the sandbox, before the agent is started."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from greenroom.engine import Engine
from greenroom.messages import Outcome
from greenroom.sandboxes.base import Exec, ExecResult
from greenroom.sandboxes.simulated import SimulatedSandbox
from greenroom.specs import AgentSpec, TaskSpec
from tests.engine.playing import a_task, an_engine, play, play_one, quick, shell_agent, tasks

pytestmark = pytest.mark.anyio

real = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)


def requiring(*names: str, env: dict[str, str] | None = None) -> AgentSpec:
    """An agent that says so when it runs."""
    return replace(shell_agent("echo I ran"), requires=names, env=env or {})


async def play_real(agent: AgentSpec, *setup: str) -> Outcome:
    """What becomes of a task in a local sandbox."""
    task = TaskSpec(id="t", instruction="do it", verify=("true",), deadline=60, setup=setup)
    async with Engine(agent, model=quick) as engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    return outcome


def assert_lacking(outcome: Outcome, names: str) -> None:
    """The agent never ran, for want of these."""
    fault = outcome.fault
    assert fault is not None
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("agent_failed", None, False)
    assert (fault.blame, fault.kind, fault.phase) == ("agent", "agent_not_started", "setup")
    assert fault.message.endswith(f": {names}")
    assert outcome.attempts[-1].agent_log == ""


def assert_ran(outcome: Outcome) -> None:
    """The agent ran, and was graded."""
    assert (outcome.status, outcome.reward, outcome.attempts[-1].agent_log) == ("completed", 1.0, "I ran\n")


@real
@pytest.mark.real_time
@pytest.mark.parametrize(
    ("required", "lacking"),
    [
        (("no-such-program",), "no-such-program"),
        (("sh", "no-such-program", "cat", "nor-this; touch x", "-v"), "no-such-program, nor-this; touch x, -v"),
        (("export",), "export"),
        (("*",), "*"),
    ],
    ids=["one", "several", "built into shells", "a pattern"],
)
async def test_a_program_that_is_missing_is_named(required: tuple[str, ...], lacking: str) -> None:
    """Without a program that its spec requires an agent is not started, and the fault names all that are missing."""
    assert_lacking(await play_real(requiring(*required)), lacking)


@real
@pytest.mark.real_time
async def test_programs_that_are_there_hold_up_nothing() -> None:
    """An agent whose programs are there is started and graded."""
    assert_ran(await play_real(requiring("sh", "cat")))


@real
@pytest.mark.real_time
async def test_the_path_is_the_agents_own() -> None:
    """Programs are looked for where the agent will look for them, and after set-up, which may have brought them."""
    agent = requiring("tool", env={"PATH": "/tmp/tools:/usr/bin:/bin"})
    made = "mkdir -p /tmp/tools/cat && echo > /tmp/tools/tool"
    assert_ran(await play_real(agent, f"{made} && chmod +x /tmp/tools/tool"))
    assert_lacking(await play_real(agent, made), "tool")
    assert_lacking(await play_real(requiring("cat", env={"PATH": "/tmp/tools"}), made), "cat")


async def test_simulated_sandboxes_pretend() -> None:
    """In a simulated sandbox everything is there, and an agent that requires nothing is not asked for."""
    outcome = await play_one(an_engine(requiring("no-such-program")), a_task())
    assert (outcome.status, outcome.reward) == ("completed", 1.0)


class Asked(SimulatedSandbox):
    """A sandbox that answers whoever looks for programs as the test wants it."""

    answer = ExecResult(exit_code=0, output=b"", truncated=False, timed_out=False, seconds=0.0)
    searches = 0

    async def exec(self, program: Exec, *, timeout: float, limit: int = 64 * 1024) -> ExecResult:
        if "wanted" not in program.argv:
            return await super().exec(program, timeout=timeout, limit=limit)
        type(self).searches += 1
        return self.answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> type[Asked]:
    """Simulated sandboxes that can be asked."""
    monkeypatch.setattr("greenroom.sandboxes.simulated.SimulatedSandbox", Asked)
    monkeypatch.setattr(Asked, "searches", 0)
    return Asked


@pytest.mark.parametrize(("names", "searches"), [((), 0), (("wanted",), 1), (("wanted", "a", "b"), 1)])
async def test_one_question_for_all_of_them(asked: type[Asked], names: tuple[str, ...], searches: int) -> None:
    """However many programs are required, the sandbox is asked once; it is not asked at all if there are none."""
    assert (await play_one(an_engine(requiring(*names)), a_task())).status == "completed"
    assert asked.searches == searches


@pytest.mark.parametrize(
    ("answer", "lacking"),
    [
        ({"output": b"wanted\n"}, "wanted"),
        ({"output": b"sh: warning \xff\x1b[2J\nwanted\nunasked\n"}, "wanted"),
        ({"output": b"wanted and more\n"}, None),
        ({"output": b"sh: not found\n", "exit_code": 127}, None),
        ({"output": b"wanted\n", "exit_code": -9, "timed_out": True}, None),
    ],
)
async def test_a_sandbox_is_believed_no_more_than_it_was_asked(
    asked: type[Asked], monkeypatch: pytest.MonkeyPatch, answer: dict[str, object], lacking: str | None
) -> None:
    """Only names that the spec has are taken from the answer, and one that did not come about holds up nobody."""
    monkeypatch.setattr(asked, "answer", replace(asked.answer, **answer))
    outcome = await play_one(an_engine(requiring("other", "wanted")), a_task())
    if lacking is None:
        assert outcome.status == "completed"
    else:
        assert_lacking(outcome, lacking)


async def test_an_image_without_them_is_left_alone(asked: type[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that lacks a program in rollout after rollout is given up, as any that cannot be started is."""
    monkeypatch.setattr(asked, "answer", replace(asked.answer, output=b"wanted\n"))
    outcomes = await play(an_engine(requiring("wanted"), concurrency=1), tasks(20))
    kinds = [outcome.fault.kind for outcome in outcomes if outcome.fault]
    assert kinds == ["agent_not_started"] * 8 + ["circuit_open"] * 12
