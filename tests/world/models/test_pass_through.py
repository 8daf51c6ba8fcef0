"""Providers that agents talk to through greenroom: how their answers end, and how they fail within a 200."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

import greenroom as gr
from greenroom.messages import Outcome
from greenroom.specs import AgentSpec, BlackBox, Invocation, Launch, Local
from tests.world.models.server import Said, events, said, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

Fields = dict[str, Any]

PROGRAM = """
import json, os, sys, time, urllib.request
dialect, path, last, calls = os.environ["D"], os.environ["P"], os.environ["L"].encode(), int(os.environ["N"])
base, key = os.environ["U"], os.environ["K"]
headers = {"content-type": "application/json", "authorization": "Bearer " + key}
for call in range(calls):
    text = f"turn {call}"
    body = {"model": "m", "max_tokens": 9, "stream": True, "messages": [{"role": "user", "content": text}]}
    if dialect == "responses":
        body = {"model": "m", "stream": True, "input": text}
    if dialect == "google":
        body = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    reply = urllib.request.urlopen(urllib.request.Request(base + path, json.dumps(body).encode(), headers), timeout=9)
    got = b""
    while last not in got:
        piece = reply.read1(9999)
        if not piece:
            print(got)
            sys.exit(3)
        got += piece
    reply.close()
"""

PATHS = {
    "chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
    "google": "/v1beta/models/m:streamGenerateContent",
}
CHAT: Fields = {"choices": [{"index": 0, "delta": {"content": "a ✓ b"}, "finish_reason": None}]}
FINISH: Fields = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE: Fields = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
START: Fields = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "content": []}}
BLOCK: Fields = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a ✓ b"}}
ENDS: Fields = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
OUTPUT: list[Fields] = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a ✓ b"}]}]
GOOGLE: Fields = {"candidates": [{"content": {"role": "model", "parts": [{"text": "a ✓ b"}]}, "finishReason": "STOP"}]}
PART: Fields = {"candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}}]}
BROKEN: Fields = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]}
CREATED: Fields = {"type": "response.created", "response": {"output": []}}
OVERLOADED: Fields = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}


def client(dialect: str, last: str, calls: int) -> AgentSpec:
    """An agent that hangs up as soon as it has read ``last``, and then makes its next call."""

    def command(launch: Launch) -> Invocation:
        base = launch.base_url.removesuffix("/v1")
        env = {"U": base, "K": launch.api_key, "D": dialect, "P": PATHS[dialect], "L": last, "N": str(calls)}
        return Invocation(argv=(launch.python, f"{launch.home}/a.py"), env=env)

    return AgentSpec(name=f"client-{dialect}", dialect=dialect, command=command, files={"a.py": PROGRAM})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def outcome_of(agent: AgentSpec, url: str, **fields: object) -> Outcome:
    """What becomes of one rollout with a provider at this address, whose verification fails."""
    usual: dict[str, object] = {"id": "t", "instruction": "x", "verify": ("false",), "deadline": 60.0}
    engine = gr.Engine(agent, model=BlackBox(url), sandbox=Local(unsafe=True, network=True), attempts=1)
    async with engine:
        (outcome,) = [one async for one in engine.run([gr.TaskSpec(**(usual | fields))])]  # type: ignore[arg-type]
    return outcome


def sse(*values: object, ending: str = "silent") -> Said:
    """Events of any dialect, after which the connection stays open."""
    return events(*values, ending=ending, done=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# yinxulai/one-switch#4: agents leave a stream as soon as they have what they need, and a proxy that waits for its end
# loses the call. BerriAI/litellm#2195: Gemini says a finish reason in every chunk, so the first ends nothing.
@pytest.mark.parametrize(
    ("dialect", "reply", "last"),
    [
        ("chat", Said(stream=True, pieces=events(CHAT, FINISH, USAGE).pieces, ending="silent"), "[DONE]"),
        ("chat", sse(CHAT, FINISH), '"stop"}]}\n\n'),
        ("anthropic", sse(START, BLOCK, ENDS, {"type": "message_stop"}), 'message_stop"}\n\n'),
        ("responses", sse({"type": "response.completed", "response": {"output": OUTPUT}}), "}\n\n"),
        ("google", sse(GOOGLE), "}\n\n"),
        ("google", Said(pieces=(json.dumps([GOOGLE])[:-1].encode(),), ending="silent"), '"STOP"}]}'),
    ],
    ids=["chat", "chat without [DONE]", "anthropic", "responses", "google", "google array"],
)
async def test_answers_that_are_not_ended(dialect: str, reply: Said, last: str) -> None:
    """Turns are recorded, and ``max_turns`` holds, though the provider never ends a reply."""
    async with serving(reply) as server:
        outcome = await outcome_of(client(dialect, last, calls=9), server.url, max_turns=3)
    assert [turn.completion.text for turn in outcome.turns] == ["a ✓ b"] * 3
    assert (outcome.status, len(server.asked)) == ("truncated", 3)


# api7/aisix#111: transports cut where they like, and a reader that decodes piece by piece garbles what was cut.
@pytest.mark.parametrize("at", range(1, 4))
async def test_cuts_within_a_character(at: int) -> None:
    """Replies that are cut within a character are recorded whole."""
    whole = b"".join(events(CHAT, FINISH).pieces)
    body = whole.replace(b"\\u2713", "✓".encode())
    cut = body.index("✓".encode()) + at
    async with serving(Said(stream=True, pieces=(body[:cut], body[cut:]), ending="silent")) as server:
        outcome = await outcome_of(client("chat", "[DONE]", calls=1), server.url)
    assert [turn.completion.text for turn in outcome.turns] == ["a ✓ b"]


# Wei-Shaw/claude-relay-service#1030: a provider began to compress its streams, which a proxy read as text.
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_compressed_answers(encoding: str) -> None:
    """A compressed stream reaches the agent readable, event by event, and is recorded."""
    body = b"".join(events(CHAT, FINISH).pieces)
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    pieces = (packer.compress(body) + packer.flush(zlib.Z_SYNC_FLUSH),)
    assert encoding != "gzip" or gzip.decompress(pieces[0] + packer.flush()) == body
    reply = Said(stream=True, headers={"Content-Encoding": encoding}, pieces=pieces, ending="silent")
    async with serving(reply) as server:
        outcome = await outcome_of(client("chat", "[DONE]", calls=1), server.url)
    assert [turn.completion.text for turn in outcome.turns] == ["a ✓ b"]


# anthropics/anthropic-sdk-python#688: `overloaded_error` as an event of a 200, after which nothing more comes.
# diegosouzapw/OmniRoute#8210, maximhq/bifrost#5425: an error in place of a chunk, and "error" as a finish reason.
# lsdefine/GenericAgent#753: `error` and `response.failed` in Responses.
# router-for-me/CLIProxyAPI#1407: streams that are closed before `response.completed`.
# diegosouzapw/OmniRoute#4177: Google's error object in the middle of a stream.
# theopenco/llmgateway#3616: the same behind the stream, as plain JSON.
@pytest.mark.parametrize(
    ("dialect", "reply"),
    [
        ("anthropic", sse(OVERLOADED, ending="whole")),
        ("anthropic", sse(START, BLOCK, OVERLOADED, ending="whole")),
        ("anthropic", sse(START, BLOCK, ENDS, ending="whole")),
        ("anthropic", said(200, OVERLOADED)),
        ("chat", events({"error": {"message": "quota exceeded", "code": 429}})),
        ("chat", events(CHAT, BROKEN)),
        ("chat", events(CHAT, done=False)),
        (
            "responses",
            sse({"type": "response.failed", "response": {"error": {"code": "server_error"}}}, ending="whole"),
        ),
        ("responses", sse({"type": "error", "code": "rate_limit_exceeded"}, ending="whole")),
        ("responses", sse(CREATED, ending="whole")),
        ("google", sse({"error": {"code": 503, "status": "UNAVAILABLE"}}, ending="whole")),
        ("google", Said(stream=True, pieces=(*sse(PART).pieces, b'{"error": {"code": 503}}'))),
        ("google", said(200, [{"error": {"code": 503, "status": "UNAVAILABLE"}}])),
    ],
)
async def test_failures_within_a_200(dialect: str, reply: Said) -> None:
    """The provider's failure is the model's, not the agent's: no turn, no reward."""
    async with serving(reply) as server:
        outcome = await outcome_of(client(dialect, "never", calls=1), server.url)
    assert outcome.fault is not None
    assert (outcome.status, outcome.fault.blame) == ("model_failed", "model")
    assert (outcome.turns, outcome.reward, outcome.reward_valid) == ((), None, False)
