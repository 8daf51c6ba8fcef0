"""What every agent that is called proved has been seen to do, the real program in a sealed sandbox."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from msgspec.structs import replace

from greenroom.messages import Completion, ModelCall
from greenroom.specs import AgentEvent, AgentSpec, Docker, Local, SandboxSpec
from tests.agents.proving import doing, is_main, play, results, said_by_user, waiting

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.agents,
    pytest.mark.needs("bwrap"),
    pytest.mark.timeout(900),  # the first test of an agent waits for its installation
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]
Parser = Callable[[str], tuple[AgentEvent, ...]]


async def test_it_solves_a_task(spec: AgentSpec) -> None:
    """From instruction to reward: a tool call changes a file, its result comes back, and the agent ends well.

    It runs without privileges, and its steps are seen while it works: the model's second answer waits for them.
    """
    await solve(spec, Local())


async def test_it_solves_a_task_in_a_container(spec: AgentSpec, agent_image: str, docker_host: str) -> None:
    """The same, sealed off in a Docker container, whose home holds a space."""
    assert docker_host
    await solve(spec, Docker(image=agent_image, memory="2g", home="/home/an agent"))


async def solve(spec: AgentSpec, sandbox: SandboxSpec) -> None:
    """Let an agent solve a task, and look at all that comes of it."""
    seen = anyio.Event()
    calls: list[ModelCall] = []
    watched = replace(spec, events=spec.events and watching(spec.events, seen))
    if spec.events is None:
        seen.set()
    work = doing("sed -i s/-/+/ calc.py && id -u > who.txt && expr 40 + 2 | sed s/^/mended-/")

    async def model(call: ModelCall) -> Completion:
        calls.append(call)
        return await work(call)

    outcome = await play(
        watched,
        waiting(seen, model),
        sandbox,
        instruction="Mend calc.py.",
        files={"calc.py": "print(5 - 3)\n"},
        verify=('test "$(python3 calc.py)" = 8', "grep -qx 1000 who.txt"),
    )
    assert (outcome.status, outcome.reward, outcome.fault) == ("completed", 1.0, None)
    attempt = outcome.attempts[-1]
    assert attempt.agent_exit_code == 0
    main = [call for call in calls if is_main(call)]
    assert len(main) == 2
    assert "Mend calc.py." in said_by_user(main[0])
    assert "mended-42" in results(main[1])
    assert {call.dialect for call in calls} == {spec.dialect}
    assert {call.stream for call in main} == {spec.streams}
    assert bool(attempt.agent_files) == bool(spec.artifacts)
    assert not spec.artifacts or any(b"mended-42" in content for content in attempt.agent_files.values())
    if spec.events is not None:
        assert_told(attempt.events)


def assert_told(events: tuple[AgentEvent, ...]) -> None:
    """The agent told of its steps, in order."""
    texts = [event.text for event in events]
    kinds = [event.kind for event in events if event.kind != "error"]
    assert kinds[:4] == ["text", "tool_call", "tool_result", "text"]
    assert any("mended-42" in text for text in texts)
    assert "All done." in texts


def watching(parse: Parser, seen: anyio.Event) -> Parser:
    """The parser, that sets ``seen`` once the agent has told of a tool call."""

    def events(line: str) -> tuple[AgentEvent, ...]:
        found = parse(line)
        if any(event.kind == "tool_call" for event in found):
            seen.set()
        return found

    return events
