"""A model that says again what was said before: replays of recorded outcomes.

The file has one outcome a line, in JSON, as `msgspec.json.encode` writes it. A call is matched by its task and sample:
of several outcomes of the same task and sample the last one counts that was not cancelled, and of its attempts the
last. Which attempt of the replay asks makes no difference. Of the recorded turns the one answers that went on from a
conversation of as many answers; where an agent has several conversations, the one that has most in common with the
call.
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
        turns: dict[tuple[str, int], Sequence[_Recorded]] = {}
        for outcome in outcomes:
            which = outcome.task_id, outcome.sample
            if outcome.status != "cancelled" or which not in turns:
                turns[which] = _recorded(outcome.turns)
        self._turns: Mapping[tuple[str, int], Sequence[_Recorded]] = turns

    @classmethod
    def read(cls, path: str | Path) -> RecordedModel:
        """The model of a file. Raises `ScriptError`."""
        try:
            lines = Path(path).read_bytes().splitlines()
        except OSError as error:
            raise ScriptError(f"{path}: {error}") from None
        model = cls(_outcome(path, number, line) for number, line in enumerate(lines, 1) if line.strip())
        if not model._turns:
            raise ScriptError(f"{path}: there are no outcomes in this file, so there is nothing to replay")
        return model

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
        if _is_summary(line):
            raise ScriptError(
                f"{path}: line {number} is the summary of an outcome, without what was said; "
                "give the directory of its run, which has that in run.db"
            ) from None
        raise ScriptError(f"{path}: line {number} is no outcome: {error}") from None


class _Attempt(Struct):
    turns: int


class _Summary(Struct):
    attempts: tuple[_Attempt, ...]


def _is_summary(line: bytes) -> bool:
    """Whether turns are counted instead of kept, as in a run's ``outcomes.jsonl``."""
    try:
        return bool(msgspec.json.decode(line, type=_Summary).attempts)
    except (ValueError, RecursionError):
        return False


def _answers(messages: Sequence[ChatMessage]) -> int:
    return sum(message.role == "assistant" for message in messages)


def _common(before: Sequence[ChatMessage], now: Sequence[ChatMessage]) -> int:
    return sum(one == other for one, other in zip(before, now, strict=False))
