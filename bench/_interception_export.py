"""A session of so many turns: recorded, kept, and put together again as one sequence of tokens.

    python bench/_interception_export.py [--quick]

Prints one JSON object, figures by lap: for each number of turns, what one of them takes: CPU seconds and bytes to
export it (the outcome's row in the store, and the whole prompt of the last turn), and the bytes in memory it holds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tracemalloc
from array import array

import msgspec

from _interception_talk import SAID, token
from _laps import Run, Samples, laps
from greenroom.messages import ChatMessage, Completion, Text, ToolResult, ToolUse, Turn, Usage, prompt
from greenroom.messages.trajectory import Recorder

SESSIONS = (50, 100, 200, 400)
_FIRST, _MORE = 500, SAID + 32
_TOKENS = array("i", map(token, range(_FIRST + _MORE * SESSIONS[-1] + SAID)))


def session(turns: int) -> list[Turn]:
    """A conversation that grows with each turn, as an agent sends it: all of it, every time."""
    recorder = Recorder()
    messages: tuple[ChatMessage, ...] = (ChatMessage("user", (Text("Mend what is broken. " * 50),)),)
    recorded: list[Turn] = []
    for turn in range(turns):
        size = _FIRST + _MORE * turn
        use = ToolUse(f"c{turn}", "tool_0", '{"p0": "cat src/a.py"}')
        completion = Completion(
            parts=(Text("I will look at the file. "), use),
            usage=Usage(size, SAID),
            prompt_token_ids=tuple(_TOKENS[:size]),
            completion_token_ids=tuple(_TOKENS[size : size + SAID]),
            logprobs=(-0.0625,) * SAID,
        )
        # Every request is read anew from the wire: nothing in it is the object it was.
        fresh = msgspec.json.decode(msgspec.json.encode(messages), type=tuple[ChatMessage, ...])
        recorded.append(recorder.record(fresh, completion, started=0.0, seconds=0.0))
        result = ToolResult(use.id, (Text("line\n" * 200),))
        messages = (*messages, ChatMessage("assistant", completion.parts), ChatMessage("tool", (result,)))
    return recorded


def export(turns: list[Turn]) -> bytes:
    """The turns as the store writes them, and what was said as one sequence of tokens."""
    whole = prompt(turns, len(turns) - 1)
    return msgspec.json.encode((turns, whole.token_ids))


def sized(turns: int) -> Samples:
    """Bytes that one of so many turns takes."""
    tracemalloc.start()
    kept = session(turns)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {f"{turns}.exported.bytes": [len(export(kept)) / turns], f"{turns}.held.bytes": [held / turns]}


async def measure(count: int) -> Samples:
    """CPU of exporting one turn, sessions of all lengths in turns, and bytes."""

    def exporter(turns: int) -> Run:
        recorded = session(turns)

        async def run(n: int) -> None:
            for _ in range(0, n, turns):
                export(recorded)

        return run

    found = await laps({f"{turns}.export": exporter(turns) for turns in SESSIONS}, SESSIONS[-1], count)
    for turns in SESSIONS:
        found |= sized(turns)
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(5 if "--quick" in sys.argv else 15))))
