"""A session of so many turns: recorded, kept, and put together again as one sequence of tokens.

    python bench/_interception_export.py [--quick]

Prints one JSON object: for each number of turns, what one of them takes: CPU seconds and bytes to export it (the
outcome's row in the store, and the whole prompt of the last turn), and the bytes in memory it holds.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from array import array
from collections.abc import Callable

import msgspec

from _interception_talk import SAID, token
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


def measure(turns: int, rounds: int) -> dict[str, float]:
    recorded = session(turns)
    seconds = min(_cpu(lambda: export(recorded)) for _ in range(rounds))
    tracemalloc.start()
    kept = session(turns)
    held, _ = tracemalloc.get_traced_memory()
    del kept
    tracemalloc.stop()
    return {
        f"{turns}.export": seconds / turns,
        f"{turns}.exported_bytes": len(export(recorded)) / turns,
        f"{turns}.held_bytes": held / turns,
    }


def _cpu(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    quick = "--quick" in sys.argv
    found: dict[str, float] = {}
    for turns in (SESSIONS[0], SESSIONS[2]) if quick else SESSIONS:
        found |= measure(turns, 5 if quick else 20)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
