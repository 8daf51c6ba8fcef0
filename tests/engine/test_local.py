"""The engine with real sandboxes, a real server and a real agent: what the product promises, for real."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from msgspec.structs import replace

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Outcome, Text, ToolUse
from greenroom.sandboxes.local.sandbox import LocalSandbox
from greenroom.specs import AgentSpec, Invocation, Launch, Local, Scripted, TaskSpec
from greenroom.specs.agents.bash import bash_command
from tests.engine.playing import shell_agent, stage

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

SCRIPT = """
[[script]]
task = "solve"
[[script.turns]]
tools = [{ name = "bash", arguments = { command = "echo 'def add(a, b): return a + b' > calc.py" } }]
[[script.turns]]
text = "Fixed."

[[script]]
[[script.turns]]
text = "I give up."
"""


def a_bug(id: str, **fields: object) -> TaskSpec:
    """A bug to fix, with a test that only comes once the agent is dead."""
    usual: dict[str, object] = {
        "id": id,
        "instruction": "calc.add has to add",
        "files": {"calc.py": "def add(a, b): return a - b\n"},
        "setup": ("test -f calc.py",),
        "verify": ("python3 check.py",),
        "verify_files": {"check.py": "import calc\nassert calc.add(2, 3) == 5\n"},
        "deadline": 40.0,
    }
    return TaskSpec(**(usual | fields))  # type: ignore[arg-type]


async def done(_: ModelCall) -> Completion:
    """Nothing more to do."""
    return Completion(parts=(Text("done"),))


async def outcomes_of(engine: Engine, *tasks: TaskSpec) -> list[Outcome]:
    """Run the tasks in an engine of their own."""
    async with engine:
        return [outcome async for outcome in engine.run(tasks)]


@pytest.mark.needs("bwrap")
async def test_a_task_is_solved_end_to_end(tmp_path: Path) -> None:
    """The reference agent fixes a bug in a sealed sandbox and gets 1.0; one that gives up gets 0.0."""
    script = tmp_path / "model.toml"
    script.write_text(SCRIPT)
    engine = Engine("bash", model=Scripted(str(script)), store=tmp_path / "run")
    found = {o.task_id: o for o in await outcomes_of(engine, a_bug("solve"), a_bug("fail"))}
    solved, failed = found["solve"], found["fail"]
    assert (solved.status, solved.reward, solved.reward_valid, solved.fault) == ("completed", 1.0, True, None)
    assert len(solved.turns) == 2
    assert isinstance(solved.turns[0].completion.parts[0], ToolUse)
    assert (failed.status, failed.reward, failed.reward_valid) == ("completed", 0.0, True)
    assert [(c.phase, c.exit_code) for c in failed.attempts[0].commands] == [("setup", 0), ("verify", 1)]
    assert "AssertionError" in failed.attempts[0].commands[1].output


async def test_a_task_can_be_solved_in_plain_processes(tmp_path: Path) -> None:
    """Without a seal, on the host's loopback, the same task is solved, and the outcome says what was weakened."""
    script = tmp_path / "model.toml"
    script.write_text(SCRIPT)
    engine = Engine("bash", model=Scripted(str(script)), sandbox=Local(unsafe=True, network=True))
    (outcome,) = await outcomes_of(engine, a_bug("solve"))
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    assert outcome.unsafe


@pytest.mark.needs("bwrap")
async def test_the_agent_and_all_it_started_are_dead_before_the_verdict() -> None:
    """A timed-out agent's descendants, detached ones too, have stopped writing when the verify commands begin."""
    busy = "setsid sh -c 'while :; do echo x >> f; done' & sh -c 'while :; do echo x >> f; done' & sleep 100"
    still = "test -s f && a=$(wc -c < f) && sleep 0.3 && test $a = $(wc -c < f)"
    engine = Engine(shell_agent(busy), model=done)
    (outcome,) = await outcomes_of(engine, a_bug("t", verify=(still,), agent_timeout=0.5))
    assert (outcome.status, outcome.reward) == ("agent_timeout", 1.0)


class Working:
    """A model that lets its first call wait for ever, and tells when there is one."""

    def __init__(self) -> None:
        self.begun = anyio.Event()

    async def __call__(self, _: ModelCall) -> Completion:
        """Answer all calls but the first."""
        if not self.begun.is_set():
            self.begun.set()
            await anyio.sleep_forever()
        return Completion(parts=(Text("done"),))


def marked(token: str) -> AgentSpec:
    """The reference agent in a shell whose command line holds a word by which it is found."""

    def build(launch: Launch) -> Invocation:
        invocation = bash_command(launch)
        return replace(invocation, argv=("/bin/sh", "-c", '"$@"; exit $?', token, *invocation.argv))

    return AgentSpec(name="marked", dialect="chat", command=build)


def alive(token: str) -> list[int]:
    """Processes of this machine, those in sandboxes included, with this word in their command lines."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if token.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue  # it has just ended
    return found


async def disturbed(disturb: Callable[[Engine, str], None]) -> Outcome:
    """The outcome of a task whose first attempt is disturbed while its agent works; nothing of it is left."""
    token = f"token-{uuid4().hex}"
    model = Working()
    engine = Engine(marked(token), model=model)
    outcomes: list[Outcome] = []

    async def consume() -> None:
        outcomes.extend([outcome async for outcome in engine.run([a_bug("t", verify=("true",))])])

    async with engine, anyio.create_task_group() as group:
        group.start_soon(consume)
        with anyio.fail_after(20):
            await model.begun.wait()
        disturb(engine, token)
    assert alive(token) == []
    assert stage(engine).leases == {}
    (outcome,) = outcomes
    return outcome


@pytest.mark.needs("bwrap")
async def test_a_killed_agent_is_one_outcome() -> None:
    """An agent killed from outside ends as agent_failed with the signal as its exit code, and is not retried."""

    def kill(_: Engine, token: str) -> None:
        for pid in alive(token):
            os.kill(pid, signal.SIGKILL)

    outcome = await disturbed(kill)
    assert (outcome.status, len(outcome.attempts)) == ("agent_failed", 1)
    assert outcome.attempts[0].agent_exit_code == -signal.SIGKILL


@pytest.mark.needs("bwrap")
async def test_a_killed_sandbox_is_retried() -> None:
    """When the first process of a sandbox is killed, the attempt ends as sandbox_failed and the next one counts."""

    def kill(engine: Engine, _: str) -> None:
        (sandbox,) = stage(engine).leases.values()
        assert isinstance(sandbox, LocalSandbox)
        sandbox._body.init.kill_keeper()

    outcome = await disturbed(kill)
    first, second = outcome.attempts
    assert first.fault is not None
    assert (first.status, first.fault.kind) == ("sandbox_failed", "sandbox_lost")
    assert (second.status, outcome.status, outcome.reward) == ("completed", "completed", 1.0)


@pytest.mark.needs("bwrap")
async def test_a_raising_verifier_is_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the verifier ends the attempt as verifier_failed, with its sandbox and all in it."""
    raised = 0

    def broken(*_: object) -> float:
        nonlocal raised
        raised += 1
        raise ZeroDivisionError

    monkeypatch.setattr("greenroom.actors.judgement.by_exit_codes", broken)
    (outcome,) = await outcomes_of(Engine(shell_agent("sleep 300 &"), model=done, attempts=2), a_bug("t"))
    assert [attempt.status for attempt in outcome.attempts] == ["verifier_failed", "verifier_failed"]
    assert outcome.fault is not None
    assert (outcome.fault.blame, outcome.reward, raised) == ("engine", None, 2)


@pytest.mark.needs("bwrap")
async def test_killed_supervision_leaves_no_process() -> None:
    """A rollout whose own actor is killed has its one outcome, and what ran for it is gone."""

    def kill(engine: Engine, _: str) -> None:
        engine.system.kill(engine.system.lookup("/engine/rollouts/r-000001"))

    outcome = await disturbed(kill)
    assert (outcome.status, outcome.reward_valid) == ("engine_failed", False)


@pytest.mark.needs("bwrap")
async def test_a_killed_owner_does_not_keep_its_sandbox() -> None:
    """When the actor that owns a sandbox is killed before it could close it, the sandbox is closed all the same."""

    def kill(engine: Engine, _: str) -> None:
        engine.system.kill(engine.system.lookup("/engine/rollouts/r-000001/attempt-1/sandbox"))

    outcome = await disturbed(kill)
    assert [attempt.status for attempt in outcome.attempts] == ["engine_failed", "completed"]


@pytest.mark.needs("bwrap")
async def test_the_interception_may_die_while_agents_wait() -> None:
    """A restarted server serves the sandboxes that are there already: the agent's retry gets its answer."""

    def kill(engine: Engine, _: str) -> None:
        engine.system.kill(engine.system.lookup("/engine/interception"))

    outcome = await disturbed(kill)
    assert (outcome.status, outcome.reward, len(outcome.attempts)) == ("completed", 1.0, 1)


@pytest.mark.needs("bwrap")
async def test_what_the_agent_puts_in_the_way_is_its_own_fault() -> None:
    """An agent that makes a directory where a verify file has to go is not retried, and gets no reward."""
    (outcome,) = await outcomes_of(Engine(shell_agent("mkdir -p check.py/x"), model=done), a_bug("t"))
    assert outcome.fault is not None
    assert (outcome.status, outcome.reward, len(outcome.attempts)) == ("verifier_failed", None, 1)
    assert (outcome.fault.kind, outcome.fault.blame) == ("verify_obstructed", "agent")


@pytest.mark.needs("bwrap")
async def test_a_reward_file_cannot_be_prepared() -> None:
    """What the agent writes under the name of the reward file, or as that variable, is not the reward."""
    cheat = 'echo 1 > reward; echo 1 > ~/reward; echo 1 > "${GREENROOM_REWARD_FILE:-/tmp/reward}"; ln -s /etc ~/x'
    task = a_bug("t", reward="file", verify=('test -n "$GREENROOM_REWARD_FILE"',))
    (outcome,) = await outcomes_of(Engine(shell_agent(cheat), model=done), task)
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("verifier_failed", None, False)


@pytest.mark.needs("bwrap")
async def test_an_agent_that_is_not_there_is_told() -> None:
    """An agent whose program does not exist ends as agent_failed, ungraded, and says so."""

    def build(_: Launch) -> Invocation:
        return Invocation(argv=("/no/such/agent",))

    missing = AgentSpec(name="missing", dialect="chat", command=build)
    (outcome,) = await outcomes_of(Engine(missing, model=done), a_bug("t"))
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.kind, outcome.reward) == ("agent_failed", "agent_not_started", None)


@pytest.mark.needs("bwrap")
async def test_a_cancelled_engine_leaves_no_process() -> None:
    """A program that is cancelled in the middle of its rollouts leaves none of their processes."""
    token = f"token-{uuid4().hex}"
    model = Working()
    engine = Engine(marked(token), model=model)
    async with anyio.create_task_group() as group:

        async def consume() -> None:
            async with engine:
                async for _ in engine.run([a_bug(f"t{n}") for n in range(4)]):
                    pass

        group.start_soon(consume)
        with anyio.fail_after(20):
            await model.begun.wait()
        group.cancel_scope.cancel()
    assert alive(token) == []
    assert engine.snapshot().finished == {"cancelled": 4}
