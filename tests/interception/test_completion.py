"""Answers that are none are refused with one sentence, by whichever way they are given."""

from __future__ import annotations

import math
from typing import Any

import anyio
import pytest

from greenroom.interception.completion import checked
from greenroom.interception.gate import GateModel
from greenroom.messages import Completion, Image, ModelCall, Outcome, Text, Thinking, ToolResult, ToolUse, Usage
from greenroom.specs import Gate, Scripted
from tests.engine.playing import a_task, an_engine, play_one

NAN, INF = math.nan, math.inf


def answer(**fields: Any) -> Completion:  # noqa: ANN401 - fields of all types
    """A completion that nobody has looked at."""
    return Completion(**fields)


def sampled(logprobs: object, ids: object = None) -> Completion:
    """An answer with log-probabilities."""
    return answer(parts=(Text("hello"),), completion_token_ids=ids, logprobs=logprobs)


WRONG_VALUES: list[tuple[Completion, str]] = [
    (sampled((-0.1, NAN)), "logprobs[1]: expected a finite number, got nan"),
    (sampled((-INF,)), "logprobs[0]: expected a finite number, got -inf"),
    (sampled([-0.1, -0.2, INF], [1, 2, 3]), "logprobs[2]: expected a finite number, got inf"),
    (sampled((-0.1,), (1, 2)), "2 completion_token_ids but 1 logprobs"),
    (sampled(None, (5, -1)), "completion_token_ids[1]: expected 0 or more, got -1"),
    (
        answer(finish_reason="done"),
        "finish_reason: expected one of stop, length, tool_calls, content_filter, got 'done'",
    ),
]
WRONG_TYPES: list[tuple[object, str]] = [
    ("hello", "expected a Completion, got str"),
    (None, "expected a Completion, got NoneType"),
    ({"parts": ()}, "expected a Completion, got dict"),
    (answer(parts=("hello",)), "parts[0]: expected Text, Thinking or ToolUse, got str"),
    (answer(parts=(Text("a"), {"text": "b"})), "parts[1]: expected Text, Thinking or ToolUse, got dict"),
    (answer(parts=[Text("a"), None]), "parts[1]: expected Text, Thinking or ToolUse, got NoneType"),
    (answer(parts=(Image("data:"),)), "parts[0]: expected Text, Thinking or ToolUse, got Image"),
    (answer(parts=(ToolResult("1", ()),)), "parts[0]: expected Text, Thinking or ToolUse, got ToolResult"),
    (answer(parts=(Text,)), "parts[0]: expected Text, Thinking or ToolUse, got StructMeta"),
    (answer(parts="hello"), "parts: expected a tuple of Text, Thinking or ToolUse parts, got str"),
    (answer(parts=Text("a")), "parts: expected a tuple of Text, Thinking or ToolUse parts, got Text"),
    (answer(parts=None), "parts: expected a tuple of Text, Thinking or ToolUse parts, got NoneType"),
    (answer(parts=(Text("a"), Text(b"b"))), "parts[1].text: expected text, got bytes"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (answer(parts=(Thinking("a", 3),)), "parts[0].signature: expected text, got int"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (answer(parts=(Thinking("a", redacted="no"),)), "parts[0].redacted: expected bool, got str"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (answer(parts=(ToolUse("1", "bash", {"command": "ls"}),)), "parts[0].arguments: expected text, got dict"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (answer(parts=(ToolUse(None, "bash", "{}"),)), "parts[0].id: expected text, got NoneType"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (answer(stop_sequence=7), "stop_sequence: expected text, got int"),
    (answer(usage={"prompt_tokens": 1}), "usage: expected Usage, got dict"),
    (answer(usage=Usage(1.5)), "usage.prompt_tokens: expected a whole number, got float"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    (answer(weight_version=3), "weight_version: expected str, got int"),
    (answer(extra=None), "extra: expected dict, got NoneType"),
    (sampled(-0.1), "logprobs: Expected `array`, got `float`"),
    (sampled((None,)), "logprobs: Expected `float`, got `null` - at `$[0]`"),
    (sampled(None, (1, "2")), "completion_token_ids: Expected `int`, got `str` - at `$[1]`"),
]
WRONG = [(wrong, text, ValueError) for wrong, text in WRONG_VALUES] + [
    (wrong, text, TypeError) for wrong, text in WRONG_TYPES
]


@pytest.mark.parametrize(("wrong", "text", "kind"), WRONG)
def test_what_is_wrong_is_said_with_its_place(wrong: object, text: str, kind: type[Exception]) -> None:
    """One sentence names the field, the index and the type, or the number that is none."""
    with pytest.raises(kind) as caught:
        checked(wrong)
    assert str(caught.value) == text


def test_what_is_right_is_left_as_it_is() -> None:
    """Finite log-probabilities of all sizes, prompts with placeholders below 0, and lists are taken."""
    taken = checked(
        answer(
            parts=[Text("a"), Thinking("b", "s"), ToolUse("1", "bash", "{}")],
            prompt_token_ids=[-200, 1],
            completion_token_ids=[0, 2**40],
            logprobs=[0.0078125, -1e30],
            usage=Usage(1, 2, 3),
            weight_version="w",
        )
    )
    assert taken.parts == (Text("a"), Thinking("b", "s"), ToolUse("1", "bash", "{}"))
    assert (taken.prompt_token_ids, taken.logprobs) == ((-200, 1), (0.0078125, -1e30))
    assert checked(taken) == taken


@pytest.mark.anyio
async def test_a_gates_call_refuses_it_and_goes_on() -> None:
    """Whoever answers a call is told at once, and can answer it all the same."""
    gate = GateModel()
    call = ModelCall(id="a", rollout_id="a", dialect="chat", model="m", messages=())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gate, call)
        async for (pending,) in gate.calls():
            for wrong, text, kind in WRONG:
                with pytest.raises(kind) as caught:
                    pending.reply(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
                assert str(caught.value) == text
            assert pending.reply(answer(parts=(Text("hello"),)))
            await gate.close()


@pytest.mark.anyio
async def test_a_sessions_call_refuses_it_too() -> None:
    """The rollout of a session goes on after an answer that was refused."""
    async with an_engine(model=Gate()) as engine, engine.session(a_task()) as session:
        while (call := await session.next_call()) is not None:
            for wrong, _, kind in WRONG:
                with pytest.raises(kind):
                    call.reply(wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            call.reply(answer(parts=(Text("hello"),)))
        outcome = await session.outcome()
    assert (outcome.status, len(outcome.turns)) == ("completed", 4)


async def outcome_with(model: object) -> Outcome:
    """What becomes of a rollout with this model."""
    return await play_one(an_engine(model=model, attempts=2), a_task())


@pytest.mark.anyio
@pytest.mark.parametrize(("wrong", "text"), [(wrong, text) for wrong, text, _ in WRONG[::3]])
@pytest.mark.parametrize("made", ["callable", "scripted"])
async def test_what_a_callable_returns_is_checked_alike(wrong: object, text: str, made: str) -> None:
    """A model that returns such an answer is to blame, and its outcomes say the same sentence."""

    async def model(_: ModelCall) -> object:
        return wrong

    def function(_: ModelCall) -> object:
        return wrong

    if made == "scripted" and isinstance(wrong, str):
        return  # a function may answer with a text
    outcome = await outcome_with(model if made == "callable" else Scripted(function))
    assert (outcome.status, outcome.reward, len(outcome.attempts)) == ("model_failed", None, 2)
    assert outcome.fault is not None
    assert outcome.fault.kind == "bad_answer"
    assert outcome.fault.message.startswith("the model's answer cannot be used: ")
    assert outcome.fault.message.endswith(text)


@pytest.mark.anyio
async def test_a_models_own_errors_are_told_by_their_type_alone() -> None:
    """An exception of the model's own code is no complaint of ours: its text stays out of the outcome."""

    async def secretive(_: ModelCall) -> Completion:
        raise TypeError("sk-secret")

    outcome = await outcome_with(secretive)
    assert outcome.fault is not None
    assert (outcome.fault.kind, outcome.fault.message) == ("crashed", "the model raised TypeError")
