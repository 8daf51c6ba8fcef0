"""The floor of model calls: a bare aiohttp server, and one that forwards with a bare aiohttp client.

teach {answers, asks}         what to answer each turn and, to forward, what to ask the model server, as text
open {count, size, stream, upstream}   from now on answer ``size`` requests at a time, or forward each
close {}                               no more of them

It reads the same bytes as ours, answers the same bytes, and exchanges the same bytes with the model server. It looks
into none of them, knows no key, and keeps nothing. The collector comes as seldom as an engine sets it.
"""

from __future__ import annotations

import asyncio
import gc

import aiohttp
from aiohttp import web

from _child import Fields, attend

_COLLECTOR = (50_000, 20, 100)
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream"}


class Floor:
    """The commands, and the handler of every request."""

    def __init__(self) -> None:
        self._answers: list[bytes] = []
        self._asks: list[bytes] = []
        self._size = 1
        self._stream = False
        self._upstream = ""
        self._held: list[asyncio.Future[None]] = []
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def teach(self, fields: Fields) -> Fields:
        self._answers = [text.encode() for text in fields["answers"]]
        self._asks = [text.encode() for text in fields["asks"]]
        return {}

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        """Read, wait or forward, answer."""
        await request.read()
        turn = int(request.headers["x-turn"])
        if self._asks:
            async with self._session.post(self._upstream, data=self._asks[turn], headers=_JSON) as answer:
                await answer.read()
        else:
            await self._turn()
        if not self._stream:
            return web.Response(body=self._answers[turn], headers=_JSON)
        response = web.StreamResponse(headers=_EVENTS)
        await response.prepare(request)
        await response.write(self._answers[turn])
        await response.write_eof()
        return response

    async def _turn(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._held.append(future)
        if len(self._held) >= self._size:
            held, self._held = self._held, []
            for one in held:
                one.set_result(None)
        await future

    async def serve(self) -> None:
        """Until there are no more commands."""
        gc.set_threshold(*_COLLECTOR)
        server = await asyncio.get_running_loop().create_server(web.Server(self.respond), "127.0.0.1", 0, backlog=1024)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def opened(fields: Fields) -> Fields:
            self._size, self._stream = fields["size"], fields["stream"]
            self._upstream = f"{fields['upstream']}/v1/chat/completions"
            return {"url": url, "keys": ["none"] * fields["count"]}

        async def closed(_: Fields) -> Fields:
            gc.collect()
            return {}

        await attend({"teach": self.teach, "open": opened, "close": closed})
        await self._session.close()
        server.close()


async def main() -> None:
    await Floor().serve()


if __name__ == "__main__":
    asyncio.run(main())
