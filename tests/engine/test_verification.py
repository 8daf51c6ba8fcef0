"""Verification for real: when it happens, where, and what becomes a reward."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from greenroom.engine import Engine
from greenroom.engine.tasks import TaskError
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import AgentSpec, Artifact, Environment, Evidence, Reward, TaskSpec, Upload
from tests.engine.playing import shell_agent

pytestmark = [
    pytest.mark.needs("bwrap"),
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def nobody(_: ModelCall) -> Completion:
    """No model is needed."""
    raise ModelError("unavailable", "there is no model")


async def outcome_of(agent: str | AgentSpec, **fields: object) -> Outcome:
    """What becomes of a task with these fields."""
    task = TaskSpec(**{"id": "t", "instruction": "x", "deadline": 60.0, **fields})  # type: ignore[arg-type]
    async with Engine(agent, model=nobody) as engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    return outcome


def kind(outcome: Outcome) -> tuple[str, str | None, Reward | None]:
    """Status, kind of fault, and reward."""
    return outcome.status, outcome.fault.kind if outcome.fault else None, outcome.reward


# ------------------------------------------------------------------------------------------------ in a fresh sandbox

LEAVE = "echo 42 > answer; mkdir -p out; echo kept > out/a; echo loose > loose; echo mine > given"


async def test_an_isolated_verifier_sees_the_task_and_the_artifacts_alone() -> None:
    """A fresh sandbox gets files, set-up and the declared artifacts; what else the agent did never happened there."""
    outcome = await outcome_of(
        shell_agent(LEAVE),
        files={"given": "original\n"},
        setup=("echo ready > state",),
        artifacts=(Artifact(source="answer"), Artifact(source="out"), Artifact(source="missing")),
        verifier="isolated",
        verify=("cat answer out/a given state", "test ! -e loose", "test ! -e missing"),
    )
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", 1.0, True)
    commands = [(command.phase, command.output) for command in outcome.attempts[0].commands]
    assert commands[:3] == [("setup", ""), ("verify", ""), ("verify", "42\nkept\noriginal\nready\n")]
    assert outcome.attempts[0].artifacts == {"answer": b"42\n", "out/a": b"kept\n"}


async def test_the_agents_sandbox_is_gone_before_the_verifiers_is_there() -> None:
    """The two never live at the same time, and neither is left behind."""
    lives: list[str] = []

    async def look(evidence: Evidence) -> float:
        lives.extend(leases(engine))
        return float((await evidence.run("hostname")).exit_code == 0)

    task = TaskSpec(id="t", instruction="x", verifier="isolated", score=look, deadline=60.0)
    engine = Engine("nop", model=nobody)
    async with engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
        assert leases(engine) == []
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    assert lives == ["r-000001-1-v"]


def leases(engine: Engine) -> list[str]:
    """Sandboxes that are alive."""
    assert engine._stage is not None
    return [sandbox.id for sandbox in engine._stage.leases.values() if sandbox is not None]


async def test_an_environment_of_the_verifiers_own_gets_artifacts_and_tests_alone() -> None:
    """Files, set-up and variables of the task are not in it, its own variables are."""
    outcome = await outcome_of(
        shell_agent("echo 1 > answer"),
        files={"given": ""},
        setup=("touch state",),
        env={"SEEN": "agent"},
        artifacts=(Artifact(source="/workspace/answer"),),
        verifier="isolated",
        verify_environment=Environment(env={"OWN": "yes"}, directories=("/workspace",), workdir="/judge"),
        verify_files={"test.sh": "pwd\n"},
        verify=("sh test.sh && ls && ls /workspace && echo $OWN$SEEN",),
    )
    (verify,) = [command for command in outcome.attempts[0].commands if command.phase == "verify"]
    assert verify.output.split() == ["/judge", "test.sh", "answer", "yes"]


HOSTILE: list[tuple[str, dict[str, bytes]]] = [
    ("ln -s /etc/passwd answer", {}),
    ("mkdir /tmp/d; echo s > /tmp/d/secret; ln -s /tmp/d answer", {}),
    ("mkfifo answer", {}),
    ("mkdir answer; ln -s /etc/passwd answer/x; mkfifo answer/y; echo 1 > answer/ok", {"answer/ok": b"1\n"}),
    ("printf x > 'a b\nc'; mkdir answer; cp 'a b\nc' answer/", {"answer/a b\nc": b"x"}),
]


@pytest.mark.parametrize(("work", "kept"), HOSTILE)
async def test_links_and_special_files_are_no_artifacts(work: str, kept: dict[str, bytes]) -> None:
    """Only regular files are taken, and none that a link would lead to."""
    outcome = await outcome_of(
        shell_agent(work), artifacts=(Artifact(source="answer"),), verifier="isolated", verify=("true",)
    )
    assert (outcome.attempts[0].artifacts, outcome.reward) == (kept, 1.0)


async def test_artifacts_that_are_too_large_are_the_agents_fault() -> None:
    """An isolated verifier judges all that was declared or nothing: what cannot be taken along leaves no reward."""
    outcome = await outcome_of(
        shell_agent("head -c 40000000 /dev/zero > big"),
        artifacts=(Artifact(source="big"),),
        verifier="isolated",
        verify=("true",),
    )
    assert kind(outcome) == ("verifier_failed", "artifacts_refused", None)
    assert outcome.fault is not None
    assert outcome.fault.blame == "agent"


async def test_a_verifiers_own_sandbox_that_cannot_be_set_up_is_the_tasks_fault() -> None:
    """Set-up that works once only is told from a wrong answer."""
    outcome = await outcome_of(
        shell_agent("touch flag"),
        setup=("test ! -e flag",),
        artifacts=(Artifact(source="flag"),),
        verifier="isolated",
        verify=("test -e flag",),
    )
    assert outcome.reward == 1.0
    environment = Environment(directories=("/judge",), workdir="/judge/in")
    upload = Upload(source="/nowhere", target="/judge", files=("x",))
    outcome = await outcome_of(
        "nop", verifier="isolated", verify_environment=environment, verify=("true",), verify_uploads=(upload,)
    )
    assert kind(outcome) == ("verifier_failed", "verify_setup_failed", None)


# ------------------------------------------------------------------------------------------- when nothing can be seen


async def test_tests_come_when_the_agent_is_dead() -> None:
    """An agent that its time ended, and whatever it left running, never sees the tests nor touches them."""
    lurk = "setsid sh -c 'while :; do rm -rf secret*; ls > seen; done' & while :; do rm -rf secret*; done"
    outcome = await outcome_of(
        shell_agent(lurk),
        agent_timeout=0.5,
        verify_files={"secret_test": "1"},
        verify=("sleep 0.3; test -e secret_test && ! grep -q secret seen",),
    )
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("agent_timeout", 1.0, True)


async def test_what_the_agent_left_in_a_tests_place_is_replaced(tmp_path: Path) -> None:
    """A link, or a directory full of surprises, in the place of uploaded tests is not followed and not kept."""
    (tmp_path / "test.sh").write_text("#!/bin/sh\nls -A /judge/tests; test ! -e target/test.sh\n")
    upload = Upload(
        source=str(tmp_path), target="/judge/tests", files=("test.sh",), executable=("test.sh",), clear=True
    )
    for work in (
        "mkdir target; ln -s $PWD/target /judge/tests",
        "mkdir /judge/tests; touch /judge/tests/.x /judge/tests/y",
    ):
        outcome = await outcome_of(
            shell_agent(work),
            environment=Environment(directories=("/judge",)),
            verify_uploads=(upload,),
            verify=("/judge/tests/test.sh",),
        )
        assert (outcome.reward, outcome.attempts[0].commands[0].output) == (1.0, "test.sh\n")


# ------------------------------------------------------------------------------------------------- a Python function


async def by_answer(evidence: Evidence) -> Reward:
    """The number the agent wrote, and how many verify commands passed."""
    answer = float(await evidence.read("answer"))
    lines = (await evidence.run("wc -l < answer")).output
    return {
        "answer": answer,
        "passed": float(sum(c.exit_code == 0 for c in evidence.commands[:2])),
        "lines": float(lines),
    }


async def test_a_function_judges_by_the_sandboxs_files() -> None:
    """It reads files, runs commands and knows what the verify commands did; its numbers are the reward, by name."""
    outcome = await outcome_of(shell_agent("echo 0.5 > answer"), verify=("true", "false"), score=by_answer)
    assert (outcome.reward, outcome.reward_valid) == ({"answer": 0.5, "passed": 1.0, "lines": 1.0}, True)
    assert [command.command for command in outcome.attempts[0].commands] == ["true", "false", "wc -l < answer"]


async def test_a_function_can_be_named() -> None:
    """A task file names its scorer by module and function."""
    name = f"{by_answer.__module__}:{by_answer.__name__}"
    outcome = await outcome_of(shell_agent("echo 2 > answer"), score=name)
    assert outcome.reward == {"answer": 2.0, "passed": 1.0, "lines": 1.0}


async def cannot_tell(_: Evidence) -> None:
    """It gives no verdict."""


async def raises(_: Evidence) -> float:
    """It is broken."""
    raise ZeroDivisionError("oh")


async def infinite(_: Evidence) -> float:
    """It gives a number that is none."""
    return float("inf")


async def late(_: Evidence) -> float:
    """It never ends."""
    await anyio.sleep_forever()
    return 1.0


async def reads_nothing(evidence: Evidence) -> float:
    """It reads what is not there."""
    return float(await evidence.read("missing"))


VERDICTS = [
    (cannot_tell, "no_verdict"),
    (raises, "scorer_failed"),
    (infinite, "reward_invalid"),
    (late, "verify_timeout"),
    (reads_nothing, "scorer_failed"),
]


@pytest.mark.parametrize(("score", "fault"), VERDICTS)
async def test_no_verdict_is_none_with_a_reason(score: object, fault: str) -> None:
    """A function that cannot tell, raises, or never ends leaves no reward, and is not tried again."""
    outcome = await outcome_of("nop", score=score, verify_timeout=1.0)
    assert kind(outcome) == ("verifier_failed", fault, None)
    assert (outcome.reward_valid, len(outcome.attempts)) == (False, 1)
    assert outcome.fault is not None
    assert outcome.fault.blame == "task"


@pytest.mark.parametrize("score", ["nowhere.at_all:judge", "json:dumps", "json:missing"])
async def test_a_function_that_is_not_there_stops_everything(score: str) -> None:
    """A name that leads to no async function is refused before anything starts."""
    task = TaskSpec(id="t", instruction="x", score=score)
    async with Engine("nop", model=nobody) as engine:
        with pytest.raises(TaskError, match=r"\$\.score: "):
            engine.run([task])


async def test_nothing_to_judge_is_no_verdict() -> None:
    """A task without verifier is completed without a reward, and never with 0.0."""
    outcome = await outcome_of("nop", artifacts=(Artifact(source="x"),))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", None, False)
