"""One client's conversation with the console. Nothing a client sends or omits can do more than end it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final, NoReturn

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from greenroom import __version__
from greenroom.introspection.plain import plain
from greenroom.introspection.protocol import LINE_LIMIT, Answer, Happening, Hello, Request
from greenroom.kernel import ActorStatus, System

IDLE_SECONDS: Final = 60.0
"""How long a client may take to send its next request."""
WRITE_SECONDS: Final = 10.0
"""How long a client may take to read an answer."""
_CLOSE_SECONDS: Final = 1.0
_EVENTS: Final = 1000
"""Events that wait for a slow client; older ones are dropped and counted."""
_DETAIL: Final = 2000
_GONE: Final = (
    anyio.EndOfStream,
    anyio.IncompleteRead,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    OSError,
)

_log = logging.getLogger("greenroom.introspection")
_request = msgspec.json.Decoder(Request)


Tune = Callable[[Mapping[str, str]], object]
"""Changes settings by name and text; returns what is new. Raises `ValueError` whose text is for a person."""


def refuse_all(_changes: Mapping[str, str]) -> object:
    """For those that have no settings."""
    raise ValueError("this engine has no settings that could be changed")


class Subject(msgspec.Struct, frozen=True):
    """What is looked at."""

    name: str
    pid: int
    system: System
    snapshot: Callable[[], object]
    tune: Tune


class _Refusal(Exception):
    """Answers a request that makes no sense; its text is for the client."""


class Session:
    """One connection, from its first line to its end."""

    def __init__(self, stream: SocketStream, subject: Subject) -> None:
        self._stream = stream
        self._lines = BufferedByteReceiveStream(stream)
        self._socket: socket.socket = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - not Django's
        self._subject = subject

    async def run(self) -> None:
        """Answer until the client goes, breaks a rule of the wire, or takes too long. Raises only cancellation."""
        await self._talk(self._answer_all)

    async def refuse(self, why: str) -> None:
        """Say why there is no conversation, and end it. Raises only cancellation."""
        await self._talk(partial(self._send, Answer(ok=False, error=why)))

    async def _talk(self, conversation: Callable[[], Awaitable[object]]) -> None:
        try:
            await conversation()
        except* _GONE:  # alone, or from the group in which it is written and listened to at once
            pass
        except* Exception as errors:  # noqa: BLE001 - a boundary: one client's trouble is nobody else's
            _log.warning("the console broke off a conversation: %r", errors.exceptions)
        finally:
            await self._close()

    async def _answer_all(self) -> None:
        while await self._turn():
            pass

    async def _turn(self) -> bool:
        """One request and its answer; False if there can be no other."""
        line: bytes | None = None
        with anyio.move_on_after(IDLE_SECONDS):
            try:
                line = await self._lines.receive_until(b"\n", LINE_LIMIT)
            except anyio.DelimiterNotFound:
                await self._send(Answer(ok=False, error=f"a request may have {LINE_LIMIT} bytes; this one is longer"))
        return line is not None and await self._handle(line)

    async def _handle(self, line: bytes) -> bool:
        try:
            request = _request.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            return await self._send(Answer(ok=False, error=str(error)))
        if request.verb == "events":
            await self._events()
            return False
        return await self._send(self._answer(request))

    def _answer(self, request: Request) -> Answer:
        verb = _VERBS.get(request.verb)
        if verb is None:
            return Answer(ok=False, error=f"verb {request.verb!r} is unknown; known are {', '.join(VERBS)}")
        try:
            return _ok(verb(self._subject, request))
        except _Refusal as refusal:
            return Answer(ok=False, error=str(refusal))
        except Exception as error:  # noqa: BLE001 - a boundary: anybody's state, and whatever it is made of
            _log.warning("the console could not answer %s: %r", request.verb, error)
            return Answer(ok=False, error=f"the engine failed to answer: {type(error).__name__}")

    async def _events(self) -> None:
        """Everything that happens from now on, until the client says or sends anything."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._until_heard_of, tasks.cancel_scope)
            await self._pass_on()
            tasks.cancel_scope.cancel()

    async def _pass_on(self) -> None:
        with self._subject.system.subscribe(limit=_EVENTS) as events:
            if not await self._send(_ok(None)):
                return
            async for event in events:
                happening = Happening(event.kind, event.path, event.detail[:_DETAIL], event.at, events.missed)
                if not await self._send(_ok(happening)):
                    return

    async def _until_heard_of(self, scope: anyio.CancelScope) -> None:
        # Not a read, which the socket streams of anyio cannot cancel without a complaint while the client leaves.
        if not self._lines.buffer:
            await anyio.wait_readable(self._socket)
        scope.cancel()

    async def _send(self, answer: Answer) -> bool:
        """False if the client did not take it in time."""
        with anyio.move_on_after(WRITE_SECONDS):
            await self._write(memoryview(msgspec.json.encode(answer) + b"\n"))
            return True
        return False

    async def _write(self, left: memoryview) -> None:
        while left:
            await anyio.wait_writable(self._socket)
            with suppress(BlockingIOError):
                left = left[self._socket.send(left) :]

    async def _close(self) -> None:
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True), suppress(*_GONE):
            await self._stream.aclose()


def _ok(value: object) -> Answer:
    return Answer(ok=True, value=msgspec.Raw(msgspec.json.encode(value, enc_hook=plain)))


def _hello(subject: Subject, _: Request) -> Hello:
    return Hello(name=subject.name, pid=subject.pid, version=__version__, verbs=VERBS)


def _ps(subject: Subject, _: Request) -> list[ActorStatus]:
    return subject.system.tree()


def _tree(subject: Subject, request: Request) -> list[ActorStatus]:
    return subject.system.tree(request.path) or _nobody(request.path)


def _inspect(subject: Subject, request: Request) -> object:
    system, path = subject.system, request.path
    found = system.inspect(path) or _absent(system, path)
    return msgspec.structs.replace(found, observed=plain(found.observed))


def _snapshot(subject: Subject, _: Request) -> object:
    return plain(subject.snapshot())


def _set(subject: Subject, request: Request) -> object:
    try:
        new = subject.tune(request.changes)
    except ValueError as error:
        raise _Refusal(str(error)) from error
    _log.info("settings were changed over the console: %s", request.changes)
    return plain(new)


def _absent(system: System, path: str) -> NoReturn:
    for row in system.tree(path):
        raise _Refusal(f"{row.path} is {row.state}: {row.trouble}")
    _nobody(path)


def _nobody(path: str) -> NoReturn:
    raise _Refusal(f"there is no actor {path!r}")


_VERBS: Final[dict[str, Callable[[Subject, Request], object]]] = {
    "hello": _hello,
    "ps": _ps,
    "tree": _tree,
    "inspect": _inspect,
    "snapshot": _snapshot,
    "set": _set,
}
VERBS: Final = (*_VERBS, "events")
