"""The server of this room says what it is told to say."""

from __future__ import annotations

import http.client
import json
from urllib.error import URLError
from urllib.request import Request, urlopen

import anyio
import anyio.to_thread
import pytest

from tests.world.models.server import Said, chat, events, nobody_there, said, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]


def ask(url: str, timeout: float = 10.0) -> bytes:
    """The body of a reply."""
    with urlopen(Request(f"{url}/v1/chat/completions", b'{"n": 1}'), timeout=timeout) as reply:  # noqa: S310 - loopback
        return bytes(reply.read())


async def test_answers_come_in_order_and_the_last_one_stays() -> None:
    """Each request gets the next answer, and what was asked is kept."""
    async with serving(said(200, chat("a")), lambda asked: said(200, chat(asked.path))) as server:
        bodies = [json.loads(await anyio.to_thread.run_sync(ask, server.url)) for _ in range(3)]
    texts = [body["choices"][0]["message"]["content"] for body in bodies]
    assert texts == ["a", "/v1/chat/completions", "/v1/chat/completions"]
    assert [asked.json() for asked in server.asked] == [{"n": 1}] * 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Said(pieces=(b"{",), ending="cut"), http.client.IncompleteRead),
        (Said(pieces=(b"{",), ending="reset"), ConnectionResetError),
        (Said(pieces=(b"{",), ending="silent"), TimeoutError),
        (events({"choices": []}, ending="silent", done=False), TimeoutError),
        (None, TimeoutError),
        (Said(wordless=True, ending="reset"), ConnectionResetError),
    ],
    ids=["cut", "reset", "silent", "silent stream", "nothing", "wordless"],
)
async def test_it_hangs_up_as_it_is_told(answer: Said | None, error: type[Exception]) -> None:
    """A reply that is cut, broken or never ends is that for its client."""
    async with serving(answer) as server:
        with pytest.raises((error, URLError)) as caught:
            await anyio.to_thread.run_sync(ask, server.url, 0.3)
    found = caught.value.reason if isinstance(caught.value, URLError) else caught.value
    assert isinstance(found, error)


async def test_nobody_is_there() -> None:
    """A port that nobody listens on refuses connections."""
    with pytest.raises(URLError, match="refused"):
        await anyio.to_thread.run_sync(ask, nobody_there())
