"""What the tests with real SDKs have in common: marks, owners of models, and ways to be told of requests."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import openai
import pytest

from greenroom.interception.routes import Route
from greenroom.interception.scripted import ScriptedModel
from greenroom.interception.server import Server
from greenroom.messages import Completion, ModelCall

MARKS = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


def always(answer: Completion) -> Callable[[ModelCall], Awaitable[Completion]]:
    """An owner who gives this answer to everything."""

    async def owner(call: ModelCall) -> Completion:
        return answer

    return owner


def listing(path: Path, times: int = 1) -> ScriptedModel:
    """A script, written below ``path``: ``ls``, so many times at once, and then the solution."""
    tools = [{"name": "bash", "arguments": {"command": "ls"}}] * times
    turns = [{"thinking": "hm", "tools": tools}, {"text": "Solved."}]
    script = path / "script.json"
    script.write_text(json.dumps({"script": [{"turns": turns}]}))
    return ScriptedModel.read(script)


def nothing() -> None:
    """What to do at a request that does not matter."""


def hook(act: Callable[[], None]) -> Callable[..., Awaitable[None]]:
    """The act as HTTP libraries want it."""

    async def hooked(*_: object) -> None:
        act()

    return hooked


def at_second(act: Callable[[], None]) -> Callable[[], None]:
    """Something that acts the second time it is called."""
    requests = iter(range(9))

    def on_request() -> None:
        if next(requests) == 1:
            act()

    return on_request


@asynccontextmanager
async def openai_agent(
    server: Server, route: Route, *, retries: int = 2, timeout: float = 30, on_request: Callable[[], None] = nothing
) -> AsyncGenerator[openai.AsyncOpenAI]:
    """OpenAI's SDK, pointed at the server as agents are."""
    http = openai.DefaultAsyncHttpxClient(trust_env=False, event_hooks={"request": [hook(on_request)]})
    async with openai.AsyncOpenAI(
        base_url=f"{server.base_url}/v1", api_key=route.key, max_retries=retries, timeout=timeout, http_client=http
    ) as client:
        yield client
