"""Conversations that are too long for their model end politely, and are scored."""

from __future__ import annotations

import pytest

from tests.world.models.endings import play
from tests.world.models.server import Said, chat, events, said

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

WHOLE = said(200, chat("done"))
COUNTED = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
FULL: dict[str, Said] = {
    # NousResearch/hermes-agent#89502: llama.cpp has a type of its own for it.
    "llama.cpp": said(400, {"error": {"code": 400, "message": "no", "type": "exceed_context_size_error"}}),
    # ogx-ai/ogx#697: Fireworks counts the prompt alone.
    "Fireworks": said(
        400, {"error": {"message": "The prompt is too long: 34215, model maximum context length: 32767"}}
    ),
    # TGI has 422 for it, and names its own parameters.
    "TGI": said(
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. "
            "Given: 3500 `inputs` tokens and 1000 `max_new_tokens`"
        },
    ),
    # google-gemini/gemini-cli#6678: Google's endpoint for chat completions puts its error into a list.
    "Google": said(400, [{"error": {"code": 400, "message": COUNTED, "status": "INVALID_ARGUMENT"}}]),
    # xorbitsai/inference#3785: the inner server's error comes with 500.
    "Xinference": said(
        500, {"detail": "The decoder prompt (length 21535) is longer than the maximum model length of 16384."}
    ),
    # MiniMax-AI/MiniMax-01#15: status 200, no choices, and a code beside them.
    "MiniMax": said(200, {"choices": None, "base_resp": {"status_code": 1039, "status_msg": "token limit"}}),
    # lmstudio-ai/lmstudio-bug-tracker#2322: status 200, and an event.
    "LM Studio": events(
        {"error": {"message": "Trying to keep the first 111490 tokens when context the overflows."}}, done=False
    ),
}


@pytest.mark.parametrize("server", FULL)
async def test_a_conversation_that_is_too_long(server: str) -> None:
    """What was done until then is scored; nothing is asked again."""
    outcome, asked = await play(WHOLE, FULL[server], turns=2)
    assert (outcome.status, outcome.reward, outcome.reward_valid, len(outcome.turns)) == ("truncated", 1.0, True, 1)
    assert asked <= 3  # the token fields are asked for once


# continuedev/continue#10218: Groq has 413 for a limit of tokens per minute, in words like those for a full context.
async def test_a_rate_limit_is_none() -> None:
    """A limit of tokens per minute is the model's refusal, and no score comes of it."""
    message = (
        "Request too large for model `m` in organization `o` on tokens per minute (TPM): Limit 6000, Requested 9000, "
        "please reduce your message size and try again."
    )
    outcome, _ = await play(said(413, {"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}}))
    assert (outcome.status, outcome.reward_valid) == ("model_failed", False)


# opencode and others ask for answers of 32,000 tokens, whatever the server's context is.
async def test_an_answer_longer_than_the_context_is_a_wrong_setting() -> None:
    """No conversation is short enough for it: it is not the agent's zero."""
    message = (
        "This model's maximum context length is 16384 tokens. However, you requested 32000 output tokens and your "
        "prompt contains at least 12 input tokens, for a total of at least 32012 tokens."
    )
    outcome, _ = await play(said(400, {"error": {"message": message}}))
    assert (outcome.status, outcome.reward_valid) == ("model_failed", False)
