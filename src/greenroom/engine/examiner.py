"""A model that has an agent show what it can do, and remembers what it saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import anyio.to_thread
import msgspec

from greenroom.messages import Completion, ModelCall, Text, ToolResult, ToolUse

PROOF = "greenroom-42"
"""What the command prints, which is not a part of it."""
COMMAND = "expr 40 + 2 | sed s/^/greenroom-/"
_DONE = Completion(parts=(Text("All done."),))
_CALLS = 100
_ARGUMENTS: dict[str, Callable[[str], object]] = {
    "command": str,
    "cmd": str,
    "script": str,
    "commands": lambda command: [command],
}
"""By which of its arguments a tool takes a command."""
_OTHERS: dict[str, object] = {"string": "LOW", "boolean": False, "integer": 60, "number": 60, "array": [], "object": {}}
"""What is given for another argument that has to be there."""
_LAST_WORD = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""The command by which some agents' models say that they are done, as their prompts tell them."""


class Examiner:
    """Has one command run, if the agent has a tool for that, and then says that it is done."""

    def __init__(self) -> None:
        self.calls: list[ModelCall] = []
        """The first hundred."""
        self.keys: set[str] = set()
        """Those that the agent was given."""
        self.shown: str = ""
        """The command line in which one of them was seen."""

    async def __call__(self, call: ModelCall) -> Completion:
        """The next answer."""
        if len(self.calls) < _CALLS:
            self.calls.append(call)
        self.shown = self.shown or await anyio.to_thread.run_sync(_shown, self.keys)
        use = _use(call, COMMAND) if not answered(call) else None
        return _asking(use) if use is not None else _last_word(call)

    @property
    def tools(self) -> list[str]:
        """Names of all that was offered."""
        return sorted({tool.name for call in self.calls for tool in call.tools})

    @property
    def asked(self) -> bool:
        """Whether a command was asked for."""
        return any(_use(call, COMMAND) is not None for call in self.calls if not answered(call))

    def told(self) -> list[str]:
        """What each request says in words, the model's own aside."""
        return [
            "\n".join(part.text for message in call.messages for part in message.parts if isinstance(part, Text))
            for call in self.calls
        ]

    def results(self) -> list[str]:
        """What tools gave back."""
        parts = [part for call in self.calls for message in call.messages for part in message.parts]
        return [
            "".join(piece.text for piece in part.parts if isinstance(piece, Text))
            for part in parts
            if isinstance(part, ToolResult)
        ]


def answered(call: ModelCall) -> bool:
    """Whether the conversation holds an answer already."""
    return any(message.role == "assistant" for message in call.messages)


def _asking(use: ToolUse) -> Completion:
    return Completion(parts=(Text("Let me see."), use), finish_reason="tool_calls")


def _last_word(call: ModelCall) -> Completion:
    prompts = [part.text for message in call.messages for part in message.parts if isinstance(part, Text)]
    use = _use(call, _LAST_WORD) if any(_LAST_WORD in text for text in prompts) else None
    return _DONE if use is None else _asking(use)


def _use(call: ModelCall, command: str) -> ToolUse | None:
    """A call of the first tool that runs commands. What tools say of themselves is hostile input."""
    for tool in call.tools:
        known = _table(tool.parameters.get("properties"))
        name = next((name for name in _ARGUMENTS if name in known), None)
        if name is not None:
            arguments = {other: _filler(known.get(other)) for other in _names(tool.parameters.get("required"))}
            arguments[name] = _ARGUMENTS[name](command)
            return ToolUse(f"call_{call.index}", tool.name, msgspec.json.encode(arguments).decode())
    return None


def _filler(schema: object) -> object:
    return _OTHERS.get(str(_table(schema).get("type")), "")


def _table(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _names(value: object) -> list[str]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [item for item in items if isinstance(item, str)]


def _shown(keys: set[str]) -> str:
    """The command line of a process on this machine that holds one of these keys, without the key."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it has just ended
        for key in keys:
            if key in line:
                return line.replace(key, "<the key>")
    return ""
