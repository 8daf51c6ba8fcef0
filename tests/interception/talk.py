"""How the tests talk to the room as an agent would, and as the owner of a model would."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from greenroom.interception import Endpoint, Request, Routes
from greenroom.interception.dialects import sse
from greenroom.messages import Completion, ModelCall, Text

Fields = dict[str, Any]

HELLO = Completion(parts=(Text("hello"),))


def body(text: str = "hi", **more: object) -> Fields:
    """A chat request."""
    return {"model": "m", "messages": [{"role": "user", "content": text}], **more}


def request(
    key: str, fields: Fields | bytes | None = None, path: str = "/v1/chat/completions", **headers: str
) -> Request:
    """The same as a request that carries ``key``; underscores in header names stand for hyphens."""
    fields = body() if fields is None else fields
    return Request(
        method="POST",
        path=path,
        headers={
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        body=fields if isinstance(fields, bytes) else json.dumps(fields).encode(),
    )


def said(reply: bytes) -> str:
    """The text of a chat reply in one piece."""
    return str(json.loads(reply)["choices"][0]["message"]["content"])


def events(stream: bytes) -> list[str]:
    """The data of the events of a stream."""
    return [event.data for event in sse.Parser().feed(stream)]


def reassemble(data: Iterable[str]) -> Fields:
    """The reply in one piece that the events of a stream amount to, as the SDKs put it together."""
    *chunks, last = data
    assert last == "[DONE]"
    message: Fields = {"role": None, "content": None, "refusal": None}
    done: Fields = {"choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": None}]}
    for chunk in map(json.loads, chunks):
        done |= {"id": chunk["id"], "model": chunk["model"], "created": chunk["created"], "object": "chat.completion"}
        done |= {"usage": chunk["usage"]} if "usage" in chunk else {}
        for choice in chunk["choices"]:
            done["choices"][0]["finish_reason"] = choice["finish_reason"]
            _merge(message, choice["delta"])
    if not message["content"]:
        message["content"] = None if "tool_calls" in message else ""
    return done


def _merge(message: Fields, delta: Fields) -> None:
    for name, piece in delta.items():
        if name == "tool_calls":
            for call in piece:
                _merge_tool(message.setdefault("tool_calls", []), call)
        else:
            message[name] = (message.get(name) or "") + piece


def _merge_tool(calls: list[Fields], call: Fields) -> None:
    if call["index"] == len(calls):
        calls.append(
            {"id": call["id"], "type": call["type"], "function": {"name": call["function"]["name"], "arguments": ""}}
        )
    calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]


class Owner:
    """The owner of a model who answers when told to, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[ModelCall] = []
        self.cancelled = 0
        self.answers: list[Completion | Exception] = []
        self._changed = anyio.Event()

    async def __call__(self, call: ModelCall) -> Completion:
        """An answer function."""
        number = len(self.asked)
        self.asked.append(call)
        self._wake()
        try:
            await self._until(lambda: len(self.answers) > number)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            self._wake()
            raise
        answer = self.answers[number]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer(self, *answers: Completion | Exception) -> None:
        """Answer the next calls, asked already or not."""
        self.answers += answers or (HELLO,)
        self._wake()

    async def was_asked(self, times: int = 1) -> None:
        """Wait until so many calls have come."""
        await self._until(lambda: len(self.asked) >= times)

    async def was_cancelled(self, times: int = 1) -> None:
        """Wait until so many calls have been cancelled."""
        await self._until(lambda: self.cancelled >= times)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()


async def quick(call: ModelCall) -> Completion:
    """An owner who answers at once with the number of the call."""
    return Completion(parts=(Text(f"answer {call.index}"),))


@asynccontextmanager
async def serving(routes: Routes) -> AsyncGenerator[Endpoint]:
    """An endpoint that runs."""
    endpoint = Endpoint(routes)
    async with anyio.create_task_group() as tasks:
        await tasks.start(endpoint.run)
        try:
            yield endpoint
        finally:
            tasks.cancel_scope.cancel()
