"""A model that follows a script: for tests, demos and replays.

The file format is described in `greenroom.interception.script`. The model keeps no state: what it says depends on
the task, the sample, the attempt and the conversation alone, so any number of rollouts may share it, and a retry
gets the same answer.
"""

from __future__ import annotations

from pathlib import Path

import anyio
import msgspec

from greenroom.interception.completion import terminal
from greenroom.interception.errors import ModelError
from greenroom.interception.script import Failing, Script, ScriptedTurn, load
from greenroom.messages import Completion, ModelCall, Text, Thinking, ToolUse

_DONE = terminal("done")

_FAILURES: dict[Failing, tuple[str, int | None, bool]] = {
    "unavailable": ("unavailable", 500, True),
    "overloaded": ("unavailable", 429, True),
    "rejected": ("rejected", 400, False),
    "context_length": ("context_length", 400, False),
}


class ScriptedModel:
    """Answers from ``scripts``; the first that fits a call is used."""

    def __init__(self, scripts: tuple[Script, ...]) -> None:
        self._scripts = scripts

    @classmethod
    def read(cls, path: str | Path) -> ScriptedModel:
        """The model of a script file. Raises `ScriptError`."""
        return cls(load(path))

    async def __call__(self, call: ModelCall) -> Completion:
        """The answer to ``call``, after the turn's delay. Raises `ModelError` where the script says so."""
        turn = self._turn(call)
        if turn is None:
            return _DONE
        await anyio.sleep(turn.delay)
        if turn.fail is not None:
            await _fail(turn.fail)
        return _completion(turn, call)

    async def close(self) -> None:
        """Nothing to do."""

    def _turn(self, call: ModelCall) -> ScriptedTurn | None:
        number = sum(message.role == "assistant" for message in call.messages)
        fitting = (script for script in self._scripts if script.fits(call.task_id, call.sample, call.attempt))
        script = next(fitting, None)
        return script.turns[number] if script is not None and number < len(script.turns) else None


async def _fail(how: Failing) -> None:
    if how == "hang":
        await anyio.sleep_forever()
    if how == "crash":
        raise RuntimeError("the script says so")
    kind, status, retryable = _FAILURES[how]
    raise ModelError(kind, f"the script says {how}", status, retryable=retryable)


def _completion(turn: ScriptedTurn, call: ModelCall) -> Completion:
    offered = [tool.name for tool in call.tools]
    for tool in turn.tools:
        if tool.name not in offered:
            # An agent that is asked for a tool it does not have would ask again, for ever.
            return terminal(f"The script wants the tool {tool.name!r}; offered: {', '.join(offered) or 'none'}.")
    thinking = (Thinking(turn.thinking),) if turn.thinking else ()
    text = (Text(turn.text),) if turn.text else ()
    uses = [
        ToolUse(f"call_{call.index}_{at}", tool.name, msgspec.json.encode(tool.arguments).decode())
        for at, tool in enumerate(turn.tools)
    ]
    return Completion(parts=(*thinking, *text, *uses), finish_reason="tool_calls" if uses else turn.finish)
