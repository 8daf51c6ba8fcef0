"""A model server that thinks of nothing, in a process of its own. Answers as vLLM does, with exact tokens if asked.

    wave {size}   from now on hold calls until so many of them have come, then answer all
    asked {}      the last request of each turn, as text

Calls that wait while no other comes for a second are answered all the same: not everybody lets so many through.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial

from _child import Fields, attend
from _interception_talk import FIRST, MORE, SAID, TURNS, prompt_length, token

_QUIET = 1.0
_TEXT = "I will look at the file. " * 8
_CALL = {"id": "call_1", "type": "function", "function": {"name": "tool_0", "arguments": '{"p0": "cat src/a.py"}'}}
_FINISH = {"index": 0, "finish_reason": "tool_calls"}


class Waves:
    """Holds what came until a wave is full."""

    def __init__(self) -> None:
        self.size = 1
        self._held: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, answer: Callable[[], None]) -> None:
        self._held.append(answer)
        if self._timer is not None:
            self._timer.cancel()
        if len(self._held) >= self.size:
            self._release()
        else:
            self._timer = asyncio.get_running_loop().call_later(_QUIET, self._release)

    def _release(self) -> None:
        held, self._held = self._held, []
        for answer in held:
            answer()


class Answers:
    """Every answer there is, made beforehand: by turn, with and without tokens, and streamed."""

    def __init__(self) -> None:
        self.exact = [_whole(turn, exact=True) for turn in range(TURNS)]
        self.plain = _whole(0, exact=False)
        self.stream = _stream()
        self.asked = [""] * TURNS

    def to(self, body: bytes) -> bytes:
        # The turn is told by the results of tools.
        turn = min(body.count(b'"tool_call_id"'), TURNS - 1)
        self.asked[turn] = body.decode()
        if b'"stream":true' in body or b'"stream": true' in body:
            return self.stream
        exact = b'"return_token_ids":true' in body or b'"return_token_ids": true' in body
        return self.exact[turn] if exact else self.plain


def _whole(turn: int, *, exact: bool) -> bytes:
    size = prompt_length(turn)
    choice: Fields = {**_FINISH, "message": {"role": "assistant", "content": _TEXT, "tool_calls": [_CALL]}}
    fields = {**_head("chat.completion"), "choices": [choice], "usage": _usage(size)}
    if exact:
        said = [token(at) for at in range(size, size + SAID)]
        entry = {"token": " the", "bytes": [32, 116, 104, 101], "top_logprobs": []}
        choice["logprobs"] = {"content": [{**entry, "logprob": -0.0625 - at / 1024} for at in range(SAID)]}
        choice["token_ids"] = said
        fields["prompt_token_ids"] = [token(at) for at in range(size)]
    body = json.dumps(fields).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def _stream() -> bytes:
    words = [{"content": word + " "} for word in _TEXT.split()]
    deltas = [{"role": "assistant", "content": ""}, *words, {"tool_calls": [{"index": 0, **_CALL}]}]
    choices: list[list[Fields]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    head = _head("chat.completion.chunk")
    choices.append([{**_FINISH, "delta": {}}])
    chunks: list[Fields] = [{**head, "choices": choice} for choice in choices]
    chunks.append({**head, "choices": [], "usage": _usage(FIRST + MORE)})
    events = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    status = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return status + b"%x\r\n%s\r\n0\r\n\r\n" % (len(events), events)


def _head(kind: str) -> Fields:
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": "greenroom"}


def _usage(size: int) -> Fields:
    return {"prompt_tokens": size, "completion_tokens": SAID, "total_tokens": size + SAID}


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as clients that keep their connections need it."""

    def __init__(self, answers: Answers, waves: Waves) -> None:
        self._answers = answers
        self._waves = waves
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n") + 4) > 3:
            head = bytes(self._data[:end]).lower()
            size = end + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
            if len(self._data) < size:
                return
            answer = self._answers.to(bytes(self._data[end:size]))
            del self._data[:size]
            self._waves.add(partial(self._write, answer))

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


async def serve() -> None:
    waves, answers = Waves(), Answers()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(answers, waves), "127.0.0.1", 0, backlog=1024
    )

    async def where(_: Fields) -> Fields:
        return {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}

    async def wave(fields: Fields) -> Fields:
        waves.size = fields["size"]
        return {}

    async def asked(_: Fields) -> Fields:
        return {"requests": answers.asked}

    async with server:
        await attend({"where": where, "wave": wave, "asked": asked})
        server.close()


if __name__ == "__main__":
    asyncio.run(serve())
