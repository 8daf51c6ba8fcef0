"""The engine with Docker sandboxes: a real engine of containers, a real server and a real agent, and bad luck."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, Self

import pytest
from docker import DockerClient
from msgspec.structs import replace

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Outcome, Text, ToolUse
from greenroom.specs import Docker, Scripted, TaskSpec
from tests.engine.playing import shell_agent
from tests.engine.test_local import SCRIPT, a_bug

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.containers,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


async def done(_: ModelCall) -> Completion:
    """Nothing more to do."""
    return Completion(parts=(Text("done"),))


async def outcomes_of(engine: Engine, *tasks: TaskSpec) -> list[Outcome]:
    """Run the tasks in an engine of their own."""
    async with engine:
        return [outcome async for outcome in engine.run(tasks)]


def a_task(**fields: object) -> TaskSpec:
    """Nothing is set up, everything is well."""
    usual: dict[str, object] = {"id": "t", "instruction": "go", "verify": ("true",), "deadline": 60.0}
    return TaskSpec(**(usual | fields))  # type: ignore[arg-type]


class Assassin:
    """Does something to containers, to each of them once, as soon as they start, or start a program with this word."""

    def __init__(self, client: DockerClient, event: str, deed: Callable[[Any], None], times: int = 1) -> None:
        self.victims: list[str] = []
        self._client = client
        self._event = event
        self._deed = deed
        self._times = times
        self._events: Any = client.events(decode=True, filters={"type": "container", "label": "greenroom.owner"})
        self._thread = Thread(target=self._lurk)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._events.close()
        self._thread.join()

    def _lurk(self) -> None:
        for event in self._events:
            action, id = event["Action"], event["Actor"]["ID"]
            hit = action == self._event or (
                action.startswith("exec_start") and "MARK" in self._event and self._event in action
            )
            if hit and id not in self.victims and len(self.victims) < self._times:
                self.victims.append(id)
                self._deed(self._client.containers.get(id))


def kill(container: Any) -> None:  # noqa: ANN401 - docker-py's container
    """As ``docker kill``."""
    container.kill()


def leftovers(client: DockerClient) -> list[str]:
    """Containers of any engine."""
    found = client.containers.list(all=True, filters={"label": "greenroom.owner"}, ignore_removed=True)
    return [str(container.name) for container in found]


async def test_a_task_is_solved_end_to_end(docker_spec: Docker, tmp_path: Path) -> None:
    """The reference agent fixes a bug in a sealed container and gets 1.0; one that gives up gets 0.0."""
    script = tmp_path / "model.toml"
    script.write_text(SCRIPT)
    engine = Engine("bash", sandbox=docker_spec, model=Scripted(str(script)), store=tmp_path / "run")
    found = {o.task_id: o for o in await outcomes_of(engine, a_bug("solve"), a_bug("fail"))}
    solved, failed = found["solve"], found["fail"]
    assert (solved.status, solved.reward, solved.reward_valid, solved.fault) == ("completed", 1.0, True, None)
    assert isinstance(solved.turns[0].completion.parts[0], ToolUse)
    assert (failed.status, failed.reward, failed.unsafe) == ("completed", 0.0, ())
    assert "AssertionError" in failed.attempts[0].commands[1].output


async def test_what_was_weakened_is_in_the_outcome(docker_spec: Docker) -> None:
    """An outcome says what its sandbox lacked."""
    spec = Docker(image=docker_spec.image, user="0:0", network="bridge", unsafe=True)
    (outcome,) = await outcomes_of(Engine(shell_agent("true"), sandbox=spec, model=done), a_task())
    assert (outcome.status, set(outcome.unsafe)) == ("completed", {"programs run as root", "open network (bridge)"})


async def test_a_program_that_the_image_lacks_is_named(docker_spec: Docker) -> None:
    """An agent is not started in a container that lacks what its spec requires; the fault names what it is."""
    agent = replace(shell_agent("true"), requires=("sh", "no-such-program", "cat"))
    (outcome,) = await outcomes_of(Engine(agent, sandbox=docker_spec, model=done), a_task())
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.kind, outcome.reward) == ("agent_failed", "agent_not_started", None)
    assert outcome.fault.message.endswith(": no-such-program")
    there = replace(agent, requires=("sh", "cat"))
    (outcome,) = await outcomes_of(Engine(there, sandbox=docker_spec, model=done), a_task())
    assert outcome.status == "completed"


@pytest.mark.parametrize(
    ("event", "phase", "fields"),
    [
        ("start", "boot", {"setup": ("sleep 1",)}),
        ("MARK", "setup", {"setup": ("sleep 50 # MARK",)}),
        ("MARK", "agent", {}),
        ("MARK", "verify", {"verify": ("sleep 50 # MARK",)}),
    ],
    ids=lambda value: value if isinstance(value, str) and value.islower() else "",
)
async def test_a_container_is_killed(
    docker_spec: Docker, docker_client: DockerClient, event: str, phase: str, fields: dict[str, object]
) -> None:
    """Killed in any phase, a sandbox is to blame, for a reason that has a name; the rollout is tried again."""
    agent = shell_agent("sleep 50 # MARK" if phase == "agent" else "true")
    with Assassin(docker_client, event, kill, times=2) as assassin:
        engine = Engine(agent, sandbox=docker_spec, model=done, attempts=2)
        (outcome,) = await outcomes_of(engine, a_task(**fields))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("sandbox_failed", None, False)
    assert [attempt.fault.kind for attempt in outcome.attempts if attempt.fault] == ["sandbox_killed"] * 2
    assert outcome.fault is not None
    assert outcome.fault.blame == "sandbox"
    if phase != "boot":
        assert outcome.fault.phase == phase
    assert len(assassin.victims) == 2
    assert leftovers(docker_client) == []


async def test_one_kill_costs_one_attempt(docker_spec: Docker, docker_client: DockerClient) -> None:
    """A rollout whose container was killed once completes in the next one, and the failed attempt is kept as data."""
    agent = shell_agent("sleep 2 # MARK")
    with Assassin(docker_client, "MARK", kill):
        (outcome,) = await outcomes_of(Engine(agent, sandbox=docker_spec, model=done), a_task())
    assert (outcome.status, outcome.reward) == ("completed", 1.0)
    assert [attempt.status for attempt in outcome.attempts] == ["sandbox_failed", "completed"]


async def test_an_agent_runs_out_of_memory(docker_spec: Docker, docker_client: DockerClient) -> None:
    """The agent is to blame for its own hunger, its log says what happened, and nothing is tried again."""
    agent = shell_agent("exec python3 -c 'bytearray(1 << 30)'")
    (outcome,) = await outcomes_of(Engine(agent, sandbox=docker_spec, model=done), a_task())
    assert (outcome.status, len(outcome.attempts)) == ("agent_failed", 1)
    assert outcome.attempts[0].agent_exit_code == 137
    assert "ran out of memory" in outcome.attempts[0].agent_log
    assert leftovers(docker_client) == []


async def test_an_agent_that_ignores_everything(docker_spec: Docker, docker_client: DockerClient) -> None:
    """An agent that catches every signal and has detached itself is dead when its time is up, and is graded then."""
    busy = "trap '' TERM INT HUP; (setsid sh -c 'while :; do echo x >> f; done' &) ; while :; do sleep 1; done"
    still = "test -s f && a=$(wc -c < f) && sleep 0.3 && test $a = $(wc -c < f)"
    engine = Engine(shell_agent(busy), sandbox=docker_spec, model=done)
    (outcome,) = await outcomes_of(engine, a_task(agent_timeout=1.5, verify=(still,)))
    assert (outcome.status, outcome.reward) == ("agent_timeout", 1.0)
    assert leftovers(docker_client) == []


async def test_an_image_that_is_missing_fails_the_opening(docker_host: str) -> None:
    """Without its image no rollout begins: the engine does not open."""
    engine = Engine(shell_agent("true"), sandbox=Docker(image="no-such-image:ever", pull="never"), model=done)
    with pytest.raises(Exception, match="no-such-image"):
        await outcomes_of(engine, a_task())


@pytest.mark.timeout(240)
async def test_a_hundred_starts_at_once(docker_spec: Docker, docker_client: DockerClient) -> None:
    """A hundred rollouts that begin together all complete: they wait for the engine, and it is not overrun."""
    engine = Engine(shell_agent("true"), sandbox=docker_spec, model=done, concurrency=100, attempts=1, deadline=220)
    outcomes = await outcomes_of(engine, *(a_task(id=f"t{n}", deadline=220.0) for n in range(100)))
    assert [outcome.status for outcome in outcomes] == ["completed"] * 100
    assert leftovers(docker_client) == []
