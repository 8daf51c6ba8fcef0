"""Runs a real agent as a user would: an engine, sealed sandboxes, and a model that follows a test."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Outcome, Text, ToolResult, ToolUse
from greenroom.specs import AgentSpec, Local, SandboxSpec, TaskSpec
from greenroom.specs.agents import BUILT_IN

Model = Callable[[ModelCall], Awaitable[Completion]]
ALL = os.environ.get("GREENROOM_AGENTS") == "all"
"""Whether every agent is to be proved, however long that takes: ``make agents``."""
_TIER_1 = ("bash", "pi", "codex", "claude-code")
PROVED = [
    spec for spec in BUILT_IN if spec.proof == "proved" and spec.name != "simulated" and (ALL or spec.name in _TIER_1)
]
_DONE = Completion(parts=(Text("All done."),))
_SUBMIT = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""What mini-swe-agent's models run to say that they are done."""
_SECONDS = 240.0 if ALL else 90.0

_SHELLS = ("bash", "Bash", "exec_command", "run_shell_command", "run_commands", "terminal")
"""The tools by which agents run commands."""
_ARGUMENTS: dict[str, Callable[[str], object]] = {
    "command": str,
    "cmd": str,
    "commands": lambda command: [command],
    "is_background": lambda _: False,
    "security_risk": lambda _: "LOW",
}
"""Their arguments, of which each tool has some."""


async def play(spec: AgentSpec, model: Model, sandbox: SandboxSpec = Local(), **task: Any) -> Outcome:  # noqa: ANN401, B008 - fields of a TaskSpec; frozen
    """One attempt at one task in a sealed sandbox, and its outcome."""
    fields: dict[str, Any] = {"id": "t", "instruction": "Do what has to be done.", **task}
    given = TaskSpec(**fields)
    async with Engine(spec, model=model, sandbox=sandbox, attempts=1, deadline=_SECONDS, console=False) as engine:
        (outcome,) = [outcome async for outcome in engine.run([given])]
    return outcome


def turns(call: ModelCall) -> int:
    """How many answers the conversation holds."""
    return sum(message.role == "assistant" for message in call.messages)


def is_main(call: ModelCall) -> bool:
    """Whether it is the agent's work, and not a side request for a title or the like: those offer no tools."""
    return bool(call.tools)


def run(call: ModelCall, command: str) -> Completion:
    """An answer that asks for a shell command, by whatever tool the agent has for that."""
    tool = next(tool for tool in call.tools if tool.name in _SHELLS)
    known = tool.parameters["properties"]
    arguments = {name: value(command) for name, value in _ARGUMENTS.items() if name in known}
    use = ToolUse(f"call-{call.index}", tool.name, json.dumps(arguments))
    return Completion(parts=(Text("Let me see."), use), finish_reason="tool_calls")


def done(call: ModelCall) -> Completion:
    """An answer that ends the agent's work."""
    asked = any(_SUBMIT in part.text for message in call.messages for part in message.parts if isinstance(part, Text))
    return run(call, _SUBMIT) if asked else _DONE


def doing(command: str) -> Model:
    """A model that has one command run and is done then."""

    async def model(call: ModelCall) -> Completion:
        return run(call, command) if is_main(call) and not turns(call) else done(call)

    return model


def results(call: ModelCall) -> str:
    """All that tools gave back in a conversation."""
    parts = [part for message in call.messages for part in message.parts if isinstance(part, ToolResult)]
    return "\n".join(text.text for part in parts for text in part.parts if isinstance(text, Text))


def said_by_user(call: ModelCall) -> str:
    """All text that the model is told in the user's name."""
    parts = [part for message in call.messages if message.role == "user" for part in message.parts]
    return "\n".join(part.text for part in parts if isinstance(part, Text))


def waiting(event: anyio.Event, then: Model) -> Model:
    """A model that does not answer beyond its first turn before ``event``."""

    async def model(call: ModelCall) -> Completion:
        if turns(call):
            with anyio.fail_after(30):
                await event.wait()
        return await then(call)

    return model
