"""Trajectories: the turns of an attempt, stored without repeating themselves, and put together again.

A conversation of two hundred turns repeats its beginning two hundred times. What is stored, and kept in memory, grows
with what was said, not with how often it was sent.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from greenroom.messages.model import ChatMessage, Completion, Turn

_CONVERSATIONS = 8
"""Most conversations of one attempt that are followed at once; the one left alone for longest is given up first."""
_WORD = "i"
_WIDTH = struct.calcsize(_WORD)


class Prompt(Struct, frozen=True):
    """What the model was asked in one turn, whole."""

    messages: tuple[ChatMessage, ...]
    token_ids: tuple[int, ...] | None
    """``None`` where the model's owner gave none."""


def prompt(turns: Sequence[Turn], index: int) -> Prompt:
    """The whole prompt of turn ``index``, from all turns of its attempt in their order.

    Takes time in proportion to what it gives.
    """
    messages: list[tuple[ChatMessage, ...]] = []
    tokens: list[Sequence[int]] = []
    most, most_tokens = len(turns[index].messages) + turns[index].shared, _length(turns[index])
    for turn in _chain(turns, index):
        messages.append(turn.messages[: max(0, most - turn.shared)])
        most = min(most, turn.shared)
        if turn.index != index:
            tokens.append(_slice(turn.completion.completion_token_ids, _length(turn), most_tokens))
        tokens.append(_slice(turn.prompt_token_ids, turn.shared_tokens, most_tokens))
        most_tokens = min(most_tokens, turn.shared_tokens)
    return Prompt(
        tuple(message for piece in reversed(messages) for message in piece),
        None if turns[index].prompt_token_ids is None else tuple(id for piece in reversed(tokens) for id in piece),
    )


class Recorder:
    """Makes turns of one attempt's calls, each with no more than is new in it."""

    def __init__(self) -> None:
        self._turns = 0
        self._ends: list[_End] = []

    def __len__(self) -> int:
        """Turns so far."""
        return self._turns

    def record(
        self, messages: tuple[ChatMessage, ...], completion: Completion, *, started: float, seconds: float
    ) -> Turn:
        """The next turn. ``messages`` is the whole request; the times are those of `Turn`."""
        base, shared = self._base(messages)
        ids = completion.prompt_token_ids
        now, known = _packed(ids), None if base is None else base.tokens
        shared_tokens = 0 if known is None or now is None else _common(known, now) // _WIDTH
        turn = Turn(
            index=self._turns,
            base=None if base is None else base.turn,
            shared=shared,
            messages=messages[shared:],
            shared_tokens=shared_tokens,
            prompt_token_ids=None if ids is None else ids[shared_tokens:],
            completion=completion if ids is None else replace(completion, prompt_token_ids=None),
            started=started,
            seconds=seconds,
        )
        self._go_on(turn, base, now)
        return turn

    def _base(self, messages: tuple[ChatMessage, ...]) -> tuple[_End | None, int]:
        """The conversation with most in common, the latest of those, and how much that is."""
        best, most = None, 0
        for end in self._ends:
            shared = _common(end.messages, messages)
            if shared and shared >= most:
                best, most = end, shared
        return best, most

    def _go_on(self, turn: Turn, base: _End | None, prompt: bytes | None) -> None:
        known = () if base is None else base.messages
        said = _packed(turn.completion.completion_token_ids or ())
        tokens = None if prompt is None or said is None else prompt + said
        # What is shared is kept once, as it was at first.
        end = _End(turn.index, known[: turn.shared] + turn.messages, tokens)
        if base is not None and turn.shared == len(known):
            self._ends.remove(base)
        self._ends = [*self._ends[-_CONVERSATIONS + 1 :], end]
        self._turns += 1


class _End(Struct, frozen=True, eq=False):
    """Where a conversation has got to."""

    turn: int
    messages: tuple[ChatMessage, ...]
    tokens: bytes | None
    """Of prompt and completion, packed."""


def _chain(turns: Sequence[Turn], index: int) -> Iterator[Turn]:
    """Turn ``index`` and those it goes on from, as far as anything is shared."""
    at: int | None = index
    while at is not None:
        turn = turns[at]
        yield turn
        at = turn.base if turn.shared or turn.shared_tokens else None


def _length(turn: Turn) -> int:
    return turn.shared_tokens + len(turn.prompt_token_ids or ())


def _slice(ids: Sequence[int] | None, start: int, end: int) -> Sequence[int]:
    """Of ``ids``, which begin at position ``start``, those before ``end``."""
    return () if ids is None else ids[: max(0, end - start)]


def _packed(ids: Sequence[int] | None) -> bytes | None:
    """Token ids as machine words, which take a ninth of the memory and are compared at its speed."""
    try:
        return None if ids is None else struct.pack(f"{len(ids)}{_WORD}", *ids)
    except struct.error:
        return None  # what is no token id of any model is not worth sharing


def _common(before: Sequence[object], now: Sequence[object]) -> int:
    """How many leading items are the same."""
    low, high = 0, min(len(before), len(now))
    if before[:high] == now[:high]:
        return high
    # Whether the first n are the same is looked for by halves: slices are compared at the speed of C.
    while high - low > 1:
        middle = (low + high) // 2
        if before[low:middle] == now[low:middle]:
            low = middle
        else:
            high = middle
    return low
