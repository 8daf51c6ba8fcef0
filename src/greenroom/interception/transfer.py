"""Between aiohttp's requests and ours: bodies in and out, bounded in size and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from greenroom.interception.connection import SERVER_HEADER, cut
from greenroom.interception.errors import MALFORMED, TOO_LARGE, TOO_SLOW, RefusedError
from greenroom.interception.limits import Limits
from greenroom.interception.wire import Body, Request, Response


def request_of(request: web.BaseRequest, limits: Limits) -> Request:
    """Our request for aiohttp's; its body is read only once the endpoint knows whose it is."""

    async def read(limit: int) -> bytes:
        return await _read(request, limit, limits.body_seconds)

    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(method=request.method, path=request.path, headers=headers, body=read, query=request.query)


async def send(request: web.BaseRequest, response: Response, seconds: float) -> web.StreamResponse:
    """Write the whole response; the reader has ``seconds`` for each piece, then it is cut off."""
    headers = {**response.headers, **SERVER_HEADER}
    if isinstance(response.body, bytes):
        whole = web.Response(status=response.status, headers=headers, body=response.body)
        await _finish(request, whole, seconds)
        return whole
    reply = web.StreamResponse(status=response.status, headers=headers)
    try:
        await _stream(request, reply, response.body, seconds)
    finally:
        await response.body.aclose()
    return reply


async def _stream(request: web.BaseRequest, reply: web.StreamResponse, body: Body, seconds: float) -> None:
    await reply.prepare(request)
    async for piece in body:
        async with _patience(request, seconds):
            await reply.write(piece)
    await _finish(request, reply, seconds)


async def _finish(request: web.BaseRequest, reply: web.StreamResponse, seconds: float) -> None:
    async with _patience(request, seconds):
        await reply.prepare(request)
        await reply.write_eof()


@asynccontextmanager
async def _patience(request: web.BaseRequest, seconds: float) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        # Closing politely would wait for the reader again.
        cut(request.transport)
        raise ConnectionResetError("the reader is too slow") from None


async def _read(request: web.BaseRequest, limit: int, seconds: float) -> bytes:
    length = request.content_length
    if length is not None and length > limit:
        raise RefusedError(TOO_LARGE)
    await _invite(request)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > limit:
                    raise RefusedError(TOO_LARGE)
    except TimeoutError:
        raise RefusedError(TOO_SLOW) from None
    except (RequestPayloadError, HttpProcessingError):
        raise RefusedError(MALFORMED) from None
    return bytes(body)


async def _invite(request: web.BaseRequest) -> None:
    """Tell a client that asks first (curl does, for large bodies) to go on."""
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # It is not part of the response, which would count as begun otherwise.
        request.writer.output_size = 0
