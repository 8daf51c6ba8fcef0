"""A model that says again what was said before: replays of recorded outcomes.

The file has one outcome a line, in JSON, as `msgspec.json.encode` writes it. Which attempt a call is of is told by task
and sample, and of its turns the one answers that went on from a conversation of as many answers; where an agent has
several conversations, the one that has most in common with the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from greenroom.interception.completion import terminal
from greenroom.interception.script import ScriptError
from greenroom.messages import ChatMessage, Completion, ModelCall, Outcome, Turn, prompt

_DONE = terminal("done")


class _Recorded(Struct, frozen=True):
    turns: Sequence[Turn]
    index: int
    messages: tuple[ChatMessage, ...]
    """All that was asked."""


class RecordedModel:
    """Answers as the recorded attempts of ``outcomes`` were answered, those that counted.

    An answer has its token ids and log-probabilities again, and those of the prompt too if what is asked is what was
    asked then, word by word. Beyond what was recorded the model says "done".
    """

    def __init__(self, outcomes: Iterable[Outcome]) -> None:
        self._turns: Mapping[tuple[str, int], Sequence[_Recorded]] = {
            (outcome.task_id, outcome.sample): _recorded(outcome.turns) for outcome in outcomes
        }

    @classmethod
    def read(cls, path: str | Path) -> RecordedModel:
        """The model of a file. Raises `ScriptError`."""
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError as error:
            raise ScriptError(f"{path}: {error}") from None
        return cls(_outcome(path, number, line) for number, line in enumerate(lines, 1) if line.strip())

    async def __call__(self, call: ModelCall) -> Completion:
        """What was said to a conversation like this one."""
        fitting = [
            turn
            for turn in self._turns.get((call.task_id, call.sample), ())
            if _answers(turn.messages) == _answers(call.messages)
        ]
        if not fitting:
            return _DONE
        best = max(fitting, key=lambda turn: _common(turn.messages, call.messages))
        said = best.turns[best.index].completion
        if best.messages != call.messages:
            return said
        return replace(said, prompt_token_ids=prompt(best.turns, best.index).token_ids)

    async def close(self) -> None:
        """Nothing to do."""


def _recorded(turns: Sequence[Turn]) -> list[_Recorded]:
    return [_Recorded(turns, at, prompt(turns, at).messages) for at in range(len(turns))]


def _outcome(path: str | Path, number: int, line: bytes) -> Outcome:
    try:
        return msgspec.json.decode(line, type=Outcome)
    except (ValueError, RecursionError) as error:
        raise ScriptError(f"{path}: line {number} is no outcome: {error}") from None


def _answers(messages: Sequence[ChatMessage]) -> int:
    return sum(message.role == "assistant" for message in messages)


def _common(before: Sequence[ChatMessage], now: Sequence[ChatMessage]) -> int:
    return sum(one == other for one, other in zip(before, now, strict=False))
