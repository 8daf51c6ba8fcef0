"""The endpoint: a request of an agent in, a response out, whatever carries them and on any event loop.

Over a socket it is driven by `greenroom.interception.server`; a simulated sandbox calls `Endpoint.handle` directly,
on virtual time if need be. An answer is asked for in a task of the endpoint's own, so it outlives the connection it
was asked over for as long as `Limits.grace` says, and an agent that hangs up and asks again finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus
from msgspec.structs import replace

from greenroom.interception import dialects
from greenroom.interception.dialects import Dialect, Operation
from greenroom.interception.errors import (
    MEDIA_TYPE,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
    TOO_MANY_HEADERS,
    UNAUTHORIZED,
    UNAVAILABLE,
    DialectError,
    ModelError,
    Refusal,
    RefusedError,
    malformed,
    refusal_of,
)
from greenroom.interception.exchange import Ticket
from greenroom.interception.pace import Pace
from greenroom.interception.reply import StreamedReply, steps
from greenroom.interception.routes import Route, Routes
from greenroom.interception.session import declares_retry
from greenroom.interception.wire import Request, Response

_JSON = "application/json"
_HEALTH = "/health"
_UNIT = 64 * 1024
"""So many bytes of a body count as one more request."""


class Endpoint:
    """Serves every route of ``routes``. Its `run` has to be running for calls to be answered."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._limits = routes.limits
        self._strangers = Pace(self._limits.strangers_per_second, self._limits.strangers_burst)
        self._tasks: TaskGroup | None = None
        self._running = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Own the answers that are awaited, until cancelled; then all who wait are told to try again."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            self._running.set()
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                self._tasks = None

    async def ready(self) -> None:
        """Wait until `run` has begun. The caller bounds it."""
        await self._running.wait()

    async def handle(self, request: Request) -> Response:
        """Answer one request. Never raises for what the agent did: errors are responses in its dialect."""
        if request.path == _HEALTH and request.method in ("GET", "HEAD"):
            return _json(b'{"status":"ok"}')
        found = dialects.find(request.path, request.headers)
        dialect = found[0] if found else dialects.speaker(request.headers)
        try:
            route, operation = await self._admitted(request, found[1] if found else None)
            with ExitStack() as stack:
                stack.enter_context(route.visit())
                await _held(route.pace)
                return await self._serve(dialect, operation, request, route, stack)
        except RefusedError as error:
            return _refused(dialect, error.refusal)
        except DialectError as error:
            return _refused(dialect, malformed(error))

    async def _serve(
        self, dialect: Dialect, operation: Operation, request: Request, route: Route, stack: ExitStack
    ) -> Response:
        if request.method != "GET":
            request = await self._with_body(request, route)
        if route.passage is not None:
            return await route.passage.serve(dialect, operation, request, self._start, stack)
        request = replace(request, memory=route.memory)
        if operation.name != "complete":
            return _json(dialect.side(operation, request, route.model))
        ticket = self._ticket(dialect, request, route)
        stack.callback(ticket.leave)
        if ticket.call.stream:
            return self._streamed(dialect, ticket, stack.pop_all())
        return await _whole(dialect, ticket)

    async def _admitted(self, request: Request, operation: Operation | None) -> tuple[Route, Operation]:
        route = self._routes.find(key) if (key := _key(request)) else None
        if route is None:
            # Whoever guesses, or hammers, does so at a pace that others do not feel.
            await _held(self._strangers)
        else:
            route.counters.requests += 1
        headers = request.headers
        if len(headers) > self._limits.headers or _size(headers) > self._limits.header_bytes:
            raise RefusedError(TOO_MANY_HEADERS)
        if operation is None:
            raise RefusedError(NOT_FOUND)
        if request.method != operation.method:
            raise RefusedError(METHOD)
        if route is None:
            raise RefusedError(UNAUTHORIZED)
        return route, operation

    async def _with_body(self, request: Request, route: Route) -> Request:
        if not _is_json(request.headers):
            raise RefusedError(MEDIA_TYPE)
        limit = self._limits.body
        body = request.body if isinstance(request.body, bytes) else await request.body(limit)
        if len(body) > limit:
            raise RefusedError(TOO_LARGE)
        await _held(route.pace, len(body) // _UNIT)
        if route.closed:  # while the body was on its way
            raise RefusedError(UNAUTHORIZED)
        return replace(request, body=body)

    def _start(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._tasks is None:
            raise RefusedError(UNAVAILABLE)
        self._tasks.start_soon(run)

    def _ticket(self, dialect: Dialect, request: Request, route: Route) -> Ticket:
        call = dialect.decode(request, request.body if isinstance(request.body, bytes) else b"")
        if len(call.tools) > self._limits.tools:
            raise DialectError(f"tools: expected at most {self._limits.tools}")
        if self._tasks is None:
            raise RefusedError(UNAVAILABLE)
        headers = request.headers
        ticket = route.enter(call, idempotency_key=headers.get("idempotency-key", ""), retry=declares_retry(headers))
        if ticket.run is not None:
            self._start(ticket.run)
        return ticket

    def _streamed(self, dialect: Dialect, ticket: Ticket, release: ExitStack) -> Response:
        stream = dialect.stream(ticket.call)
        headers = {"content-type": stream.content_type, "cache-control": "no-cache"}
        body = StreamedReply(steps(stream, ticket, self._limits.keepalive), release)
        return Response(status=200, headers=headers, body=body)


async def _whole(dialect: Dialect, ticket: Ticket) -> Response:
    result = await ticket.pending.wait()
    if isinstance(result, ModelError):
        raise RefusedError(refusal_of(result))
    body = dialect.encode(result, ticket.call)
    ticket.sent()
    return _json(body)


def _key(request: Request) -> str:
    """The credential, as the SDKs of the various dialects send theirs."""
    headers = request.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    found = headers.get("x-api-key", "").strip() or headers.get("x-goog-api-key", "").strip()
    return found or request.query.get("key", "").strip()


async def _held(pace: Pace, units: float = 1.0) -> None:
    wait = pace.wait(anyio.current_time(), units) if units else 0.0
    if wait:
        await anyio.sleep(wait)


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name) + len(text) for name, text in headers.items())


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON


def _json(body: bytes) -> Response:
    return Response(status=200, headers={"content-type": _JSON}, body=body)


def _refused(dialect: Dialect, refusal: Refusal) -> Response:
    # Official SDKs obey this header before they look at the status.
    headers = {"content-type": _JSON, "x-should-retry": "true" if refusal.retryable else "false"}
    return Response(status=refusal.status, headers=headers, body=dialect.error(refusal))
