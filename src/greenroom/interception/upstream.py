"""An OpenAI-compatible server as a model: vLLM with exact tokens, or anything else that speaks chat completions.

asyncio only, as aiohttp is. The number of open connections is not capped here: how many calls are under way is
decided by the engine's concurrency, where it can be seen.
"""

from __future__ import annotations

from typing import Any

import aiohttp
import anyio
import msgspec
import structlog

from greenroom.interception.backoff import backoff
from greenroom.interception.dialects import chat_request, fields, translation
from greenroom.interception.errors import ModelError
from greenroom.interception.secret import secret_of
from greenroom.interception.turnstile import Turnstile
from greenroom.interception.verdict import Failure, judge, unreachable
from greenroom.messages import Completion, ModelCall
from greenroom.messages.escape import escape
from greenroom.specs import Upstream

_log = structlog.get_logger(__name__)

_EXACT = {"logprobs": True, "return_token_ids": True}
_CONNECT_SECONDS = 30.0
_WORDS = 32
"""Finish reasons that are remembered as told of."""


class UpstreamModel:
    """Asks an OpenAI-compatible server.

    Args:
        spec: Which one, and how.
        first_backoff: Seconds before the second try; doubled for each further one.

    Raises:
        ValueError: The URL is none, or the environment variable named for the key is not set or cannot be sent.
    """

    def __init__(self, spec: Upstream, *, first_backoff: float = 0.5) -> None:
        if not spec.base_url.startswith(("http://", "https://")):
            raise ValueError("Upstream.base_url has to start with http:// or https://")
        self._spec = spec
        self._url = spec.base_url.rstrip("/") + "/chat/completions"
        self._key = secret_of(spec.api_key_env, "Upstream.api_key_env")
        self._first_backoff = first_backoff
        self._session: aiohttp.ClientSession | None = None
        self._unknown: set[str] = set()
        self.turnstile = Turnstile(first_backoff)
        """Where all calls of this server wait while it says so."""
        self._exact: bool | None = None if spec.token_ids else False
        self._unheard: set[tuple[str, str]] = set()
        self._refused: frozenset[str] = frozenset()
        """Wishes of agents of other dialects with which the server took no request."""

    @property
    def exact(self) -> bool | None:
        """Whether the server takes the request for exact tokens; ``None`` while that is not known."""
        return self._exact

    async def __call__(self, call: ModelCall) -> Completion:
        """Ask until there is an answer, within the spec's time and number of tries.

        Raises:
            ModelError: There is none.
        """
        self._tell_of(call)
        rollout_ends = anyio.current_effective_deadline()
        try:
            with anyio.fail_after(self._spec.timeout):
                return await self._persist(call, rollout_ends)
        except TimeoutError:
            raise ModelError("timeout", f"no answer within {self._spec.timeout:g} s") from None

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _tell_of(self, call: ModelCall) -> None:
        """Log what the server is not told though the agent asked for it, once for each such field."""
        for field in fields.unheard(call):
            if (call.dialect, field) not in self._unheard:
                self._unheard.add((call.dialect, field))
                _log.warning(
                    "an agent asks for what the model server cannot be told", dialect=call.dialect, field=field
                )

    async def _persist(self, call: ModelCall, rollout_ends: float) -> Completion:
        body = chat_request.encode(call, self._spec.model)
        body = _without(body, self._wishes(call, body) & self._refused)
        attempt = 1
        while isinstance(outcome := await self._try(body, call, rollout_ends), Failure):
            if outcome.repeats or not outcome.passing or attempt >= self._spec.attempts:
                raise outcome.error
            if (spent := self.turnstile.spent(call.rollout_id)) is not None:
                raise spent
            wait = 0.0 if outcome.wait is not None else self._backoff(attempt, call)
            if anyio.current_time() + wait > anyio.current_effective_deadline():
                raise outcome.error
            await anyio.sleep(wait)
            attempt += 1
        self._note(outcome)
        return outcome

    def _backoff(self, attempt: int, call: ModelCall) -> float:
        return backoff(max(attempt, self.turnstile.lost(call.rollout_id)), self._first_backoff)

    def _note(self, completion: Completion) -> None:
        """Say once of each word that it is not known why answers end."""
        word = completion.native_finish_reason
        if completion.finish_reason == "unknown" and word is not None and word not in self._unknown:
            _log.warning("the model server ends answers for a reason that is not known", reason=escape(word))
            self._unknown = {*self._unknown, word} if len(self._unknown) < _WORDS else {word}

    async def _try(self, body: dict[str, Any], call: ModelCall, rollout_ends: float) -> Completion | Failure:
        async with self.turnstile.turn(call.rollout_id, rollout_ends) as turn:
            outcome = await self._ask(body)
            if isinstance(outcome, Failure) and outcome.rejected and (wishes := self._wishes(call, body)):
                outcome = await self._ask_without(body, wishes, outcome)
            if not isinstance(outcome, Failure):
                turn.succeeded()
            elif outcome.passing and not outcome.repeats:
                turn.failed(outcome.error, outcome.wait)
            else:
                turn.heard()
        return outcome

    async def _ask(self, body: dict[str, Any]) -> Completion | Failure:
        if self._exact is False:
            return await self._post(body)
        outcome = await self._post({**body, **_EXACT})
        if isinstance(outcome, Completion):
            self._exact = True
        elif outcome.rejected and self._exact is None:
            return await self._ask_plainly(body)
        # Once it has given tokens, a rejection is about the call; falling back would lose tokens silently.
        return outcome

    @staticmethod
    def _wishes(call: ModelCall, body: dict[str, Any]) -> frozenset[str]:
        """What an answer can do without; nothing, if the agent itself speaks the server's dialect."""
        return frozenset() if call.dialect == "chat" else translation.WISHES & body.keys()

    async def _ask_without(
        self, body: dict[str, Any], wishes: frozenset[str], failure: Failure
    ) -> Completion | Failure:
        """Ask once more without these; if that is no better, the first failure stands."""
        outcome = await self._ask(_without(body, wishes))
        if not isinstance(outcome, Completion):
            return failure
        if wishes - self._refused:
            _log.warning("the model server takes no request with these fields, so it gets none", fields=sorted(wishes))
        self._refused |= wishes
        return outcome

    async def _ask_plainly(self, body: dict[str, Any]) -> Completion | Failure:
        outcome = await self._post(body)
        if isinstance(outcome, Completion) and self._exact is None:
            self._exact = False
            _log.warning("the model server gives no token ids, so no turn will have any", model=self._spec.model)
        return outcome

    async def _post(self, body: dict[str, Any]) -> Completion | Failure:
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        request = self._open().post(self._url, data=msgspec.json.encode(body), headers=headers, allow_redirects=False)
        try:
            async with request as response:
                return judge(response.status, response.headers, await response.read(), self._key)
        except (aiohttp.ClientError, OSError) as error:
            return unreachable(error)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _without(body: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: content for name, content in body.items() if name not in names} if names else body
