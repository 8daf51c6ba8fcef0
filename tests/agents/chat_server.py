"""A chat completions server that answers from a list, for real agents to talk to."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Json = dict[str, Any]
CUT = "cut"
"""A reply that breaks off in the middle."""


def say(text: str) -> Json:
    """A reply that ends the conversation."""
    return {"role": "assistant", "content": text}


def call(name: str, **arguments: object) -> Json:
    """A reply that uses one tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    tool_call = {"id": "call-1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [tool_call]}


class ChatServer:
    """Gives ``replies`` in order: a message, an HTTP status or `CUT`; beyond the last one, the last one again."""

    def __init__(self, *replies: Json | int | str) -> None:
        self.replies = replies
        self.requests: list[Json] = []
        self.keys: list[str] = []
        self.base_url = ""

    def instruction(self) -> str:
        """What the first user message of the last request says."""
        content = next(message["content"] for message in self.requests[-1]["messages"] if message["role"] == "user")
        return content if isinstance(content, str) else "".join(part["text"] for part in content)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body: Json = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers["Authorization"])
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if isinstance(reply, int):
            return web.json_response({"error": {"message": f"made-up {reply}"}}, status=reply)
        if body.get("stream"):
            return await self._stream(request, reply)
        if isinstance(reply, str):
            return web.Response(text='{"choices": [{"mess', content_type="application/json")
        finish = "tool_calls" if "tool_calls" in reply else "stop"
        return web.json_response(_chunk(finish, message=reply))

    async def _stream(self, request: web.Request, reply: Json | str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": a comment\n\n" + _event(_chunk(None, delta={"role": "assistant"})))
        if isinstance(reply, str):
            assert request.transport is not None
            request.transport.abort()
            return response
        for delta in _deltas(reply):
            await response.write(_event(_chunk(None, delta=delta)))
        finish = "tool_calls" if "tool_calls" in reply else "stop"
        await response.write(_event(_chunk(finish, delta={})) + b"data: [DONE]\n\n")
        return response


def _deltas(reply: Json) -> list[Json]:
    """The reply in pieces, arguments split in the middle."""
    found = [{"content": part} for part in (reply["content"] or "").partition(" ") if part]
    for index, tool in enumerate(reply.get("tool_calls", ())):
        arguments = tool["function"]["arguments"]
        head, tail = arguments[:7], arguments[7:]
        start = {**tool, "index": index, "function": {"name": tool["function"]["name"], "arguments": head}}
        found += [{"tool_calls": [start]}, {"tool_calls": [{"index": index, "function": {"arguments": tail}}]}]
    return found


def _chunk(finish: str | None, **content: Json) -> Json:
    choice = {"index": 0, "finish_reason": finish, **content}
    return {"id": "x", "object": "x", "created": 0, "model": "m", "choices": [choice]}


def _event(data: Json) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


@asynccontextmanager
async def chat_server(*replies: Json | int | str) -> AsyncGenerator[ChatServer]:
    """Serve on a free loopback port."""
    server = ChatServer(*replies)
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        server.base_url = f"http://{host}:{port}/v1"
        yield server
    finally:
        await runner.cleanup()
