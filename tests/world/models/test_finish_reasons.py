"""Answers that their model did not finish: no valid reward comes of one that its server broke off."""

from __future__ import annotations

import pytest

from greenroom.engine.summary import summarise
from tests.world.models.endings import play
from tests.world.models.server import chat, said

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

WHOLE = said(200, chat("done"))

# radixark/miles#2589, sgl-project/sglang#11673, rllm-org/rllm#542: a trainer updates the weights, the server aborts
# what it samples, and the half of a message with "abort" beside it ended the agent's episode.
# genkit-ai/genkit#6259: DeepSeek runs out of resources, z.ai's network fails; both say so as a finish reason.
# pydantic/pydantic-ai#631: Gemini could not make a call of what it had sampled; through proxies that reads "stop".
BROKEN = ["abort", "network_error", "insufficient_system_resource", "error", "MALFORMED_FUNCTION_CALL"]


@pytest.mark.parametrize("word", BROKEN)
async def test_an_answer_that_was_broken_off_is_asked_for_again(word: str) -> None:
    """The half of an answer never reaches the agent; the whole one that follows is the only turn."""
    outcome, asked = await play(said(200, chat("I will now cre", finish=word)), WHOLE)
    assert (outcome.status, outcome.reward_valid, asked) == ("completed", True, 2)
    assert [(turn.completion.text, turn.completion.finish_reason) for turn in outcome.turns] == [("done", "stop")]


async def test_a_server_that_breaks_off_every_answer() -> None:
    """It is the model's failure, and nothing is scored."""
    outcome, _ = await play(said(200, chat("I will", finish="abort")), tries=1)
    assert (outcome.status, outcome.reward_valid, outcome.turns) == ("model_failed", False, ())
    assert outcome.fault is not None
    assert (outcome.fault.blame, outcome.fault.kind) == ("model", "unfinished")
    assert "abort" in outcome.fault.message


async def test_a_provider_that_breaks_off_every_answer() -> None:
    """The same of a provider that is passed on to."""
    outcome, _ = await play(said(200, chat("I will", finish="network_error")), black_box=True)
    assert (outcome.status, outcome.reward_valid, outcome.turns) == ("model_failed", False, ())


# OpenRouter: MacPaw/OpenAI#312, razzant/claudexor#144. "error" beside an error in the choice.
async def test_an_error_beside_half_an_answer() -> None:
    """An error in the choice is an error, whatever was said before it."""
    half = chat("", finish="error")
    half["choices"][0]["error"] = {"code": 502, "message": "Upstream error"}
    outcome, _ = await play(said(200, half), tries=1)
    assert (outcome.status, outcome.reward_valid) == ("model_failed", False)
    assert outcome.fault is not None
    assert "502" in outcome.fault.message


# genkit-ai/genkit#6259: z.ai ends an answer when the context is full. Mistral calls a length "model_length".
@pytest.mark.parametrize("black_box", [False, True])
async def test_a_context_that_is_full_within_an_answer(black_box: bool) -> None:  # noqa: FBT001 - a parameter
    """The agent is ended politely and scored: it used up its context."""
    full = said(200, chat("par", finish="model_context_window_exceeded"))
    outcome, _ = await play(full, black_box=black_box)
    assert (outcome.status, outcome.reward_valid) == ("truncated", True)


@pytest.mark.parametrize("word", ["model_length", "max_tokens", "MAX_TOKENS"])
async def test_an_answer_that_was_too_long(word: str) -> None:
    """Each server's word for the limit of an answer is recorded as one."""
    outcome, _ = await play(said(200, chat("par", finish=word)))
    assert [turn.completion.finish_reason for turn in outcome.turns] == ["length"]
    assert outcome.trainable


async def test_a_word_that_nobody_knows() -> None:
    """The agent goes on, the word is kept and counted, and nobody trains on what may be half of an answer."""
    outcome, asked = await play(said(200, chat("par", finish="eager")))
    assert (outcome.status, outcome.trainable, asked) == ("completed", False, 1)
    (turn,) = outcome.turns
    assert (turn.completion.finish_reason, turn.completion.native_finish_reason) == ("unknown", "eager")
    assert summarise(outcome).attempts[-1].finish_reasons == {"unknown: eager": 1}
