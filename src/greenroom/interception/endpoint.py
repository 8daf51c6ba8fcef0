"""The endpoint: a request of an agent in, a response out, whatever carries them and on any event loop.

Over a socket it is driven by `greenroom.interception.server`; a simulated sandbox calls `Endpoint.handle` directly,
on virtual time if need be. An answer is asked for in a task of the endpoint's own, so it outlives the connection it
was asked over for as long as `Limits.grace` says, and an agent that hangs up and asks again finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import anyio
from anyio.abc import TaskGroup, TaskStatus

from greenroom.interception import dialects
from greenroom.interception.dialects import Dialect, Operation
from greenroom.interception.errors import (
    MEDIA_TYPE,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
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
from greenroom.interception.reply import StreamedReply, steps
from greenroom.interception.routes import Route, Routes
from greenroom.interception.session import declares_retry
from greenroom.interception.wire import Request, Response

_JSON = "application/json"
_HEALTH = "/health"


class Endpoint:
    """Serves every route of ``routes``. Its `run` has to be running for calls to be answered."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes
        self._limits = routes.limits
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
        found = dialects.find(request.path)
        if found is None:
            return _refused(dialects.FALLBACK, NOT_FOUND)
        dialect, operation = found
        try:
            return await self._serve(dialect, operation, request)
        except RefusedError as error:
            return _refused(dialect, error.refusal)
        except DialectError as error:
            return _refused(dialect, malformed(error))

    async def _serve(self, dialect: Dialect, operation: Operation, request: Request) -> Response:
        if request.method != operation.method:
            raise RefusedError(METHOD)
        route = self._authorised(request.headers)
        if operation.name != "complete":
            return _json(dialect.side(operation, request, route.model))
        if not _is_json(request.headers):
            raise RefusedError(MEDIA_TYPE)
        with ExitStack() as stack:
            stack.enter_context(route.visit())
            body = await self._body(request)
            ticket = self._ticket(dialect, request, body, route)
            stack.callback(ticket.leave)
            if ticket.call.stream:
                return self._streamed(dialect, ticket, stack.pop_all())
            return await _whole(dialect, ticket)

    def _authorised(self, headers: Mapping[str, str]) -> Route:
        key = _key(headers)
        route = self._routes.find(key) if key else None
        if route is None:
            raise RefusedError(UNAUTHORIZED)
        return route

    async def _body(self, request: Request) -> bytes:
        limit = self._limits.body
        body = request.body if isinstance(request.body, bytes) else await request.body(limit)
        if len(body) > limit:
            raise RefusedError(TOO_LARGE)
        return body

    def _ticket(self, dialect: Dialect, request: Request, body: bytes, route: Route) -> Ticket:
        call = dialect.decode(request, body)
        if self._tasks is None:
            raise RefusedError(UNAVAILABLE)
        if route.closed:  # while the body was on its way
            raise RefusedError(UNAUTHORIZED)
        headers = request.headers
        ticket = route.enter(call, idempotency_key=headers.get("idempotency-key", ""), retry=declares_retry(headers))
        if ticket.run is not None:
            self._tasks.start_soon(ticket.run)
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


def _key(headers: Mapping[str, str]) -> str:
    """The credential, as the SDKs of the various dialects send theirs."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "").strip() or headers.get("x-goog-api-key", "").strip()


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON


def _json(body: bytes) -> Response:
    return Response(status=200, headers={"content-type": _JSON}, body=body)


def _refused(dialect: Dialect, refusal: Refusal) -> Response:
    # Official SDKs obey this header before they look at the status.
    headers = {"content-type": _JSON, "x-should-retry": "true" if refusal.retryable else "false"}
    return Response(status=refusal.status, headers=headers, body=dialect.error(refusal))
