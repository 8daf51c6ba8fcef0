"""Trajectories repeat nothing, and lose nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.messages import ChatMessage, Completion, Text, Turn, prompt
from greenroom.messages.trajectory import Recorder

Messages = tuple[ChatMessage, ...]


def said(*texts: str) -> Messages:
    """Messages of these texts."""
    return tuple(ChatMessage("user", (Text(text),)) for text in texts)


def record(
    recorder: Recorder, messages: Messages, prompt: list[int] | None = None, answer: tuple[int, ...] = ()
) -> Turn:
    """A turn without times."""
    ids = None if prompt is None else tuple(prompt)
    return recorder.record(
        messages,
        Completion(prompt_token_ids=ids, completion_token_ids=None if prompt is None else answer),
        started=0.0,
        seconds=0.0,
    )


def test_a_turn_holds_what_is_new() -> None:
    """Of a request that goes on from the one before, messages and tokens that were there already are not kept again."""
    recorder = Recorder()
    record(recorder, said("a"), [1, 2], (3, 4))
    turn = record(recorder, said("a", "b", "c"), [1, 2, 3, 4, 5], (6,))
    assert (turn.base, turn.shared, turn.messages) == (0, 1, said("b", "c"))
    assert (turn.shared_tokens, turn.prompt_token_ids, turn.completion.completion_token_ids) == (4, (5,), (6,))
    assert turn.completion.prompt_token_ids is None


def test_conversations_beside_each_other_are_each_gone_on_from() -> None:
    """A title, or a sub-agent, in between does not make the next turn begin anew."""
    recorder = Recorder()
    turns = [
        record(recorder, said("a")),
        record(recorder, said("title?")),
        record(recorder, said("a", "b")),
        record(recorder, said("title?", "again")),
        record(recorder, said("a", "b", "c")),
    ]
    assert [(turn.base, turn.shared, len(turn.messages)) for turn in turns] == [
        (None, 0, 1), (None, 0, 1), (0, 1, 1), (1, 1, 1), (2, 2, 1),
    ]  # fmt: skip


def test_without_tokens_there_are_none() -> None:
    """A model that gives no token ids leaves none, whatever came before."""
    recorder = Recorder()
    turns = [record(recorder, said("a"), [1], (2,)), record(recorder, said("a", "b")), record(recorder, said("a"), [1])]
    assert [prompt(turns, index).token_ids for index in range(3)] == [(1,), None, (1,)]


def test_what_is_no_token_is_kept_and_shared_with_nobody() -> None:
    """Numbers no machine word holds come out as they went in."""
    recorder = Recorder()
    turns = [record(recorder, said("a"), [2**40], (1,)), record(recorder, said("a", "b"), [2**40, 1])]
    assert [turn.shared_tokens for turn in turns] == [0, 0]
    assert prompt(turns, 1).token_ids == (2**40, 1)


_WORDS = st.lists(st.sampled_from("ab"), min_size=1, max_size=6)
_TOKENS = st.lists(st.integers(0, 2), max_size=8)


@given(st.lists(st.tuples(_WORDS, st.none() | _TOKENS, _TOKENS), min_size=1, max_size=14))
def test_every_prompt_comes_out_as_it_went_in(asked: list[tuple[list[str], list[int] | None, list[int]]]) -> None:
    """Whatever conversations an attempt has, each turn's messages and tokens can be put together again, exactly."""
    recorder = Recorder()
    turns = [record(recorder, said(*words), tokens, tuple(answer)) for words, tokens, answer in asked]
    turns = msgspec.msgpack.decode(msgspec.msgpack.encode(turns), type=list[Turn])
    for index, (words, tokens, _) in enumerate(asked):
        found = prompt(turns, index)
        assert found.messages == said(*words)
        assert found.token_ids == (None if tokens is None else tuple(tokens))


def stored(turns: int) -> int:
    """Bytes that a conversation of so many turns takes, at about a thousand tokens a turn."""
    recorder = Recorder()
    made: list[Turn] = []
    messages: Messages = ()
    tokens: list[int] = []
    for number in range(turns):
        messages += said(f"{number} " + "x" * 4000)
        tokens += range(900)
        answer = tuple(range(100))
        made.append(record(recorder, messages, tokens, answer))
        tokens += answer
    return len(msgspec.json.encode(made))


@pytest.mark.parametrize("turns", [50, 200])
def test_size_grows_with_the_turns(turns: int) -> None:
    """A conversation of two hundred turns takes two hundred times as much as one of one, not forty thousand."""
    assert stored(turns) <= turns * stored(1) * 1.05
