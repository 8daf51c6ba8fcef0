"""Set-up for real: true exit codes, bounded output, nothing that races the agent, and whose fault it is."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from greenroom.engine import Engine
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import AgentSpec, Environment, Healthcheck, TaskSpec, Upload
from tests.engine.playing import shell_agent

pytestmark = [
    pytest.mark.needs("bwrap"),
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
LIMIT = 64 * 1024


async def nobody(_: ModelCall) -> Completion:
    """No model is needed."""
    raise ModelError("unavailable", "there is no model")


async def outcome_of(agent: str | AgentSpec, **fields: object) -> Outcome:
    """What becomes of a task with these fields."""
    task = TaskSpec(**{"id": "t", "instruction": "x", "deadline": 60.0, **fields})  # type: ignore[arg-type]
    async with Engine(agent, model=nobody) as engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    return outcome


async def test_every_command_leaves_its_true_result() -> None:
    """Exit code, output and duration of each command are in the outcome, those of a failed one too."""
    outcome = await outcome_of("nop", setup=("echo one; echo two >&2", "sleep 0.3", "echo last; exit 77"))
    first, second, third = outcome.attempts[0].commands
    assert (first.exit_code, first.output, first.phase) == (0, "one\ntwo\n", "setup")
    assert second.seconds >= 0.3
    assert (third.exit_code, third.output, third.timed_out) == (77, "last\n", False)


async def test_a_failed_set_up_is_the_tasks_fault() -> None:
    """The rollout is not tried again, not graded, and carries the log; the agent never ran, nor the next command."""
    outcome = await outcome_of(shell_agent("echo agent"), setup=("echo why; exit 3", "echo next"), verify=("true",))
    assert (outcome.status, outcome.reward, len(outcome.attempts)) == ("setup_failed", None, 1)
    assert outcome.fault is not None
    assert (outcome.fault.blame, outcome.fault.kind, outcome.fault.detail) == ("task", "setup_failed", "why\n")
    assert "exit code 3" in outcome.fault.message
    assert len(outcome.attempts[0].commands) == 1
    assert (outcome.attempts[0].agent_log, outcome.attempts[0].agent_exit_code) == ("", None)


async def test_a_signal_is_an_exit_code() -> None:
    """A command that a signal ended says which, as the kernel gave it."""
    outcome = await outcome_of("nop", setup=("kill -KILL $$",))
    assert outcome.attempts[0].commands[0].exit_code == -signal.SIGKILL


async def test_long_output_keeps_its_end() -> None:
    """A command that floods is bounded: the end of its output is kept, and that something is missing is said."""
    outcome = await outcome_of("nop", setup=("yes noise | head -c 3000000; echo; echo the end; exit 1",))
    (command,) = outcome.attempts[0].commands
    assert len(command.output) <= LIMIT
    assert command.truncated
    assert command.output.endswith("\nthe end\n")
    assert outcome.fault is not None
    assert outcome.fault.detail.endswith("\nthe end\n")
    assert len(outcome.fault.detail) <= 4000


async def test_set_up_has_its_budget() -> None:
    """A command that does not end is killed with its descendants, and the log says what it had printed."""
    began = time.monotonic()
    outcome = await outcome_of("nop", setup=("echo started; sleep 1000 & sleep 1000",), setup_timeout=0.5)
    assert time.monotonic() - began < 30
    (command,) = outcome.attempts[0].commands
    assert (command.timed_out, command.output) == (True, "started\n")
    assert outcome.fault is not None
    assert (outcome.status, "took too long" in outcome.fault.message) == ("setup_failed", True)


async def test_the_agent_starts_after_the_last_command_has_ended() -> None:
    """Set-up never races the agent: what the last command does last, the agent finds."""
    outcome = await outcome_of(
        shell_agent("cat ready"), setup=("(sleep 0.2; echo slow > ready)", "sleep 0.2; echo slower >> ready")
    )
    assert outcome.attempts[0].agent_log == "slow\nslower\n"


async def test_a_service_that_set_up_started_is_there_for_the_agent_and_dead_for_the_verifier() -> None:
    """What set-up leaves running serves the agent; nothing of it lives while the work is judged."""
    service = "nohup sh -c 'while :; do date > beat; sleep 0.05; done' > /dev/null 2>&1 &"
    still = 'a=$(stat -c %Y.%y beat); sleep 0.3; test "$a" = "$(stat -c %Y.%y beat)"'
    agent = "rm -f beat; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; test -f beat && echo alive && exit; done; exit 1"
    outcome = await outcome_of(shell_agent(agent), setup=(service,), verify=(still,))
    assert (outcome.attempts[0].agent_log, outcome.status, outcome.reward) == ("alive\n", "completed", 1.0)


async def test_uploads_arrive_with_their_programs(tmp_path: Path) -> None:
    """Directories of this machine are put into the sandbox before set-up, byte for byte, programs as programs."""
    (tmp_path / "run").write_text("#!/bin/sh\nod -An -tx1 bin/data\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "data").write_bytes(b"\x00\xff")
    upload = Upload(source=str(tmp_path), target=".", files=("run", "bin/data"), executable=("run",))
    outcome = await outcome_of("nop", uploads=(upload,), setup=("./run",))
    assert outcome.attempts[0].commands[0].output.split() == ["00", "ff"]


async def test_an_upload_that_is_gone_is_the_tasks_fault(tmp_path: Path) -> None:
    """A file that was there when the task was loaded, and is not now, ends the rollout with its name."""
    upload = Upload(source=str(tmp_path), target=".", files=("gone",))
    outcome = await outcome_of("nop", uploads=(upload,))
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.kind, len(outcome.attempts)) == ("setup_failed", "files_not_written", 1)
    assert f"{tmp_path}/gone" in outcome.fault.message


def checked(**fields: object) -> Environment:
    """An environment with a healthcheck that has no patience, unless the fields say otherwise."""
    usual: dict[str, object] = {"interval": 0.05, "start_interval": 0.05, "timeout": 5.0}
    return Environment(healthcheck=Healthcheck(**(usual | fields)))  # type: ignore[arg-type]


async def test_set_up_waits_for_health() -> None:
    """A sandbox that is not ready at once is asked again, as often as the check allows, before set-up begins."""
    probe = "echo x >> tries; test $(wc -l < tries) -ge 3"
    outcome = await outcome_of("nop", environment=checked(command=probe, retries=3), setup=("cat tries",))
    check, setup = outcome.attempts[0].commands
    assert (check.command, check.exit_code, setup.output) == (probe, 0, "x\nx\nx\n")


async def test_a_sandbox_that_stays_ill_is_the_tasks_fault() -> None:
    """After so many failures in a row, those of the start not counted, the rollout ends with the check's log."""
    probe = "echo x >> tries; echo tried $(wc -l < tries); exit 1"
    outcome = await outcome_of("nop", environment=checked(command=probe, retries=2), setup=("true",))
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.kind, outcome.fault.detail) == (
        "setup_failed",
        "healthcheck_failed",
        "tried 2\n",
    )


async def test_variables_come_from_the_engines_environment_when_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference is replaced in the sandbox and nowhere else; one that is not set is the task's fault, by name."""
    monkeypatch.setenv("GREENROOM_TEST_KEY", "sk-secret-12345")
    env = {"KEY": "${GREENROOM_TEST_KEY}", "MODE": "${GREENROOM_TEST_UNSET:-quiet}", "RAW": "a ${B}"}
    test = 'test "${KEY#sk-secret-}" = 12345 && test "$MODE" = quiet && test "$RAW" = "a \\${B}"'
    outcome = await outcome_of("nop", env=env, expand_env=True, setup=(test,), verify=(test,))
    assert outcome.reward == 1.0
    assert "sk-secret-12345" not in repr(outcome)
    outcome = await outcome_of("nop", env={"KEY": "${GREENROOM_TEST_UNSET}"}, expand_env=True)
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.kind, len(outcome.attempts)) == ("setup_failed", "variable_missing", 1)
    assert "GREENROOM_TEST_UNSET" in outcome.fault.message
