"""What agents and models say to each other in the bench: requests in each dialect, and tokens that belong together.

An agent's first request is about 18 kB, system prompt and tools for the most part, and each turn adds about 1.3 kB:
between pi's 6 kB and opencode's 31. Its conversation goes on for eight turns, then it begins another one.
Needs the standard library alone.
"""

from __future__ import annotations

import json
from typing import Any

TURNS = 8
"""Turns of a conversation."""
SAID = 64
"""Tokens of an answer."""
FIRST, MORE = 4500, 320
"""Tokens of the first prompt, and what a turn adds to it."""
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "google": "/v1beta/models/greenroom:generateContent",
}

_SYSTEM = "You are a coding agent. " + "Read before you write; run the tests after each change. " * 140
_WORDS = "I will look at the file before I change anything in it. " * 2
_OUTPUT = "  42 | def area(width: float, height: float) -> float:\n" * 18
_ARGUMENTS = json.dumps({"command": "sed -n 1,120p src/geometry.py && python -m pytest -q tests"})
_SCHEMA = {
    "type": "object",
    "properties": {
        f"p{at}": {"type": "string", "description": "What to do, and where to do it. " * 5} for at in range(6)
    },
    "required": ["p0"],
}
_NAMES = tuple(f"tool_{at}" for at in range(6))
_ABOUT = "Runs a command and gives back what it printed. " * 8


def token(at: int) -> int:
    """The token at a position, the same in every conversation: a prompt begins with the one before it."""
    return at * 7919 % 151_000


def prompt_length(turn: int) -> int:
    """Tokens of a prompt."""
    return FIRST + MORE * turn


def bodies(dialect: str, *, stream: bool) -> list[bytes]:
    """The requests of one conversation; ``NUMBER`` is to be replaced by what makes it another one."""
    make = {"chat": _chat, "responses": _responses, "anthropic": _anthropic, "google": _google}[dialect]
    task = "Task NUMBER: mend what is broken."
    return [json.dumps(make(task, turn, stream)).encode() for turn in range(TURNS)]


def path(dialect: str, *, stream: bool) -> str:
    """Where requests go."""
    if dialect == "google" and stream:
        return PATHS[dialect].replace("generateContent", "streamGenerateContent?alt=sse")
    return PATHS[dialect]


def _chat(task: str, turn: int, stream: bool) -> dict[str, Any]:  # noqa: FBT001
    messages: list[dict[str, Any]] = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": task}]
    for at in range(turn):
        call = {"id": f"c{at}", "type": "function", "function": {"name": "tool_0", "arguments": _ARGUMENTS}}
        messages += [
            {"role": "assistant", "content": _WORDS, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{at}", "content": _OUTPUT},
        ]
    tools = [
        {"type": "function", "function": {"name": name, "description": _ABOUT, "parameters": _SCHEMA}}
        for name in _NAMES
    ]
    fields: dict[str, Any] = {"model": "greenroom", "messages": messages, "tools": tools, "temperature": 1.0}
    return {**fields, "stream": True, "stream_options": {"include_usage": True}} if stream else fields


def _responses(task: str, turn: int, stream: bool) -> dict[str, Any]:  # noqa: FBT001
    said: list[dict[str, Any]] = [{"role": "user", "content": [{"type": "input_text", "text": task}]}]
    for at in range(turn):
        said += [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": _WORDS}]},
            {"type": "function_call", "call_id": f"c{at}", "name": "tool_0", "arguments": _ARGUMENTS},
            {"type": "function_call_output", "call_id": f"c{at}", "output": _OUTPUT},
        ]
    tools = [{"type": "function", "name": name, "description": _ABOUT, "parameters": _SCHEMA} for name in _NAMES]
    return {"model": "greenroom", "instructions": _SYSTEM, "input": said, "tools": tools, "stream": stream}


def _anthropic(task: str, turn: int, stream: bool) -> dict[str, Any]:  # noqa: FBT001
    messages: list[dict[str, Any]] = [{"role": "user", "content": task}]
    for at in range(turn):
        use = {"type": "tool_use", "id": f"c{at}", "name": "tool_0", "input": json.loads(_ARGUMENTS)}
        messages += [
            {"role": "assistant", "content": [{"type": "text", "text": _WORDS}, use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"c{at}", "content": _OUTPUT}]},
        ]
    tools = [{"name": name, "description": _ABOUT, "input_schema": _SCHEMA} for name in _NAMES]
    fields = {"model": "greenroom", "max_tokens": 4096, "system": _SYSTEM, "messages": messages, "tools": tools}
    return {**fields, "stream": stream}


def _google(task: str, turn: int, stream: bool) -> dict[str, Any]:  # noqa: ARG001, FBT001 - its path says whether
    contents: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": task}]}]
    for at in range(turn):
        use = {"functionCall": {"id": f"c{at}", "name": "tool_0", "args": json.loads(_ARGUMENTS)}}
        result = {"functionResponse": {"id": f"c{at}", "name": "tool_0", "response": {"output": _OUTPUT}}}
        contents += [{"role": "model", "parts": [{"text": _WORDS}, use]}, {"role": "user", "parts": [result]}]
    tools = [{"name": name, "description": _ABOUT, "parametersJsonSchema": _SCHEMA} for name in _NAMES]
    return {
        "systemInstruction": {"parts": [{"text": _SYSTEM}]},
        "contents": contents,
        "tools": [{"functionDeclarations": tools}],
    }
