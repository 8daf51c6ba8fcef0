"""Agents by the thousand, in a process of their own: each keeps its connection and asks one thing after another.

connect {url, keys, dialect, stream}   from now on be these agents
warm {}                                open the connections that are not, and ask once over each
go {calls}                             ask so many times over each; latencies in seconds
heard {}                               the last answer to each turn, as text
leave {}                               close them

Requests say which turn they are in a header, so that a server that reads nothing can give the turn's answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from itertools import count

from _child import Fields, attend
from _interception_talk import TURNS, bodies, path

_TOGETHER = 100
"""Connections made at once: a listener's backlog is bounded."""


class Agent:
    """One connection, and the conversations on it.

    Args:
        head: The request's head, without its length.
        requests: The conversation's requests.
        numbers: Where it gets the number of a conversation.
        at: The turn it begins with.
    """

    def __init__(self, head: bytes, requests: list[bytes], numbers: Iterator[int], at: int) -> None:
        self._head = head
        self._requests = requests
        self._numbers = numbers
        self._at = at
        self._name = b""
        self.latencies: list[float] = []
        self.heard: dict[int, str] = {}
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, host: str, port: int) -> None:
        """Once; and anew when the server has closed the connection, as it does with idle ones."""
        if self._reader is None or self._reader.at_eof():
            self.leave()
            self._reader, self._writer = await asyncio.open_connection(host, port)

    async def ask(self, calls: int) -> None:
        """Ask so many times. Raises `RuntimeError` for an answer that is none."""
        for _ in range(calls):
            turn, request = self._at, self._next()
            began = time.perf_counter()
            status, body = await self._post(request)
            self.latencies.append(time.perf_counter() - began)
            self.heard[turn] = body.decode()
            if status != b"200" or b"error" in body[:64]:
                raise RuntimeError(f"status {status.decode()}: {body[:300].decode(errors='replace')}")

    def leave(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _next(self) -> bytes:
        if not self._name or self._at == 0:
            self._name = b"%08d" % next(self._numbers)
        turn = self._at
        body = self._requests[turn].replace(b"NUMBER", self._name)
        self._at = (turn + 1) % TURNS
        return b"%sx-turn: %d\r\ncontent-length: %d\r\n\r\n%s" % (self._head, turn, len(body), body)

    async def _post(self, request: bytes) -> tuple[bytes, bytes]:
        if self._reader is None or self._writer is None:
            raise RuntimeError("not connected")
        self._writer.write(request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = head.split(b" ", 2)[1]
        _, length, rest = head.partition(b"content-length:")
        if length:
            return status, await self._reader.readexactly(int(rest.partition(b"\r\n")[0]))
        return status, await self._chunks(self._reader)

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        found: list[bytes] = []
        while size := int(await reader.readuntil(b"\r\n"), 16):
            found.append((await reader.readexactly(size + 2))[:-2])
        await reader.readexactly(2)
        return b"".join(found)


class Load:
    """The commands."""

    def __init__(self) -> None:
        self._agents: list[Agent] = []
        self._numbers = count(1)
        self._place = ("", 0)

    async def connect(self, fields: Fields) -> Fields:
        url: str = fields["url"]
        host, _, port = url.removeprefix("http://").partition(":")
        dialect, stream = fields["dialect"], fields["stream"]
        first = (
            f"POST {path(dialect, stream=stream)} HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
        )
        requests = bodies(dialect, stream=stream)
        self._agents = [
            Agent(f"{first}authorization: Bearer {key}\r\n".encode(), requests, self._numbers, at % TURNS)
            for at, key in enumerate(fields["keys"])
        ]
        self._place = (host, int(port))
        return {}

    async def warm(self, _: Fields) -> Fields:
        for at in range(0, len(self._agents), _TOGETHER):
            await asyncio.gather(*(agent.connect(*self._place) for agent in self._agents[at : at + _TOGETHER]))
        return await self.go({"calls": 1})

    async def go(self, fields: Fields) -> Fields:
        for agent in self._agents:
            agent.latencies = []
        await asyncio.gather(*(agent.ask(fields["calls"]) for agent in self._agents))
        return {"latencies": [one for agent in self._agents for one in agent.latencies]}

    async def heard(self, _: Fields) -> Fields:
        heard: dict[int, str] = {}
        for agent in self._agents:
            heard |= agent.heard
        return {"answers": [heard[turn] for turn in range(TURNS)]}

    async def leave(self, _: Fields) -> Fields:
        for agent in self._agents:
            agent.leave()
        self._agents = []
        await asyncio.sleep(0)
        return {}


def main() -> None:
    load = Load()
    asyncio.run(
        attend({"connect": load.connect, "warm": load.warm, "go": load.go, "heard": load.heard, "leave": load.leave})
    )


if __name__ == "__main__":
    main()
