"""An agent's own provider over HTTP. asyncio only, as aiohttp is."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack

import aiohttp
from yarl import URL

from greenroom.interception.errors import ModelError
from greenroom.interception.flow import ProviderReply
from greenroom.interception.secret import quotes, secret_of
from greenroom.interception.turnstile import Turnstile
from greenroom.interception.wire import Request
from greenroom.messages import Completion, ModelCall
from greenroom.specs import BlackBox, Dialect

_CONNECT_SECONDS = 30.0
_VERSION = re.compile(r"/v\d+\w*")

_AUTH: Mapping[Dialect, tuple[str, str]] = {
    "chat": ("authorization", "Bearer "),
    "responses": ("authorization", "Bearer "),
    "anthropic": ("x-api-key", ""),
    "google": ("x-goog-api-key", ""),
}
_OURS = frozenset(
    {
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-api-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-goog-api-key",
    }
)
"""Headers that are about the connection, or about who asks."""
_THEIRS = (
    "content-type",
    "cache-control",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "request-id",
    "x-request-id",
)
"""Headers of the provider's that agents act on, or log."""


class BlackBoxModel:
    """Passes requests on to the provider of a `BlackBox`.

    Raises:
        ValueError: The URL is none, or the environment variable named for the key is not set or cannot be sent.
    """

    def __init__(self, spec: BlackBox) -> None:
        if not spec.base_url.startswith(("http://", "https://")):
            raise ValueError("BlackBox.base_url has to start with http:// or https://")
        self._base = spec.base_url.rstrip("/")
        self._key = secret_of(spec.api_key_env, "BlackBox.api_key_env")
        self._timeout = aiohttp.ClientTimeout(total=spec.timeout, sock_connect=_CONNECT_SECONDS)
        self._session: aiohttp.ClientSession | None = None
        self.turnstile = Turnstile()
        """Where all requests to this provider wait while it says so."""

    async def __call__(self, call: ModelCall) -> Completion:
        """Always fails: what is passed on is requests, not calls."""
        raise ModelError("black_box", f"call {call.id} came to a provider that is asked by its agent", retryable=False)

    async def ask(self, dialect: Dialect, request: Request, stack: AsyncExitStack) -> ProviderReply:
        """Send the request. Raises `ModelError` when there is no response."""
        body = request.body if isinstance(request.body, bytes) else b""
        headers = {name: value for name, value in request.headers.items() if name not in _OURS}
        if self._key:
            name, scheme = _AUTH[dialect]
            headers[name] = f"{scheme}{self._key}"
        asked = self._open().request(
            request.method, self._url(request), data=body or None, headers=headers, allow_redirects=False
        )
        try:
            response = await stack.enter_async_context(asked)
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from None
        return ProviderReply(response.status, dict(_shown(response.headers)), _pieces(response))

    def quotes_key(self, text: str) -> bool:
        """Whether ``text`` holds the key."""
        return quotes(text, self._key)

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _url(self, request: Request) -> URL:
        path = request.path
        if any(part in (".", "..") for part in path.split("/")):
            raise ModelError("black_box", "a path with dots is not passed on", retryable=False)
        if _VERSION.fullmatch("/" + self._base.rpartition("/")[2]):
            path = _VERSION.sub("", path, count=1)
        query = {name: value for name, value in request.query.items() if name != "key"}
        return URL(self._base) / path.lstrip("/") % query if query else URL(self._base) / path.lstrip("/")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in response.content.iter_any():
            yield piece
    except (aiohttp.ClientError, OSError) as error:
        raise _unreachable(error) from None


def _shown(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((name, headers[name]) for name in _THEIRS if name in headers)


def _unreachable(error: Exception) -> ModelError:
    return ModelError("unreachable", f"the connection to the agent's provider failed: {type(error).__name__}")
