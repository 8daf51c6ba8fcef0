"""An OpenAI-compatible server as a model, against a small one that fails on demand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp.web
import anyio
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from greenroom.interception import ModelError
from greenroom.interception.upstream import UpstreamModel
from greenroom.messages import ChatMessage, ModelCall, Text
from greenroom.specs import Upstream
from tests.interception.test_verdict import FULL

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

CALL = ModelCall(
    id="r.1.0",
    dialect="chat",
    model="agent's name for it",
    messages=(ChatMessage("user", (Text("hi"),)),),
    extra={"vendor": 1, "stream_options": {"include_usage": True}},
)
KEY = "sk-needle-0123456789"


class Fake:
    """A model server: does what it is told to, one thing per request, then answers."""

    def __init__(self) -> None:
        self.todo: list[Any] = []
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.hung_up = asyncio.Event()
        self.arrived = asyncio.Event()
        self.strict = False
        self.unknown = "return_token_ids"
        self.url = ""

    async def handle(self, request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        fields = json.loads(await request.read())
        self.seen.append(fields)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.arrived.set()
        what = self.todo.pop(0) if self.todo else 200
        if what == "reset":
            assert request.transport is not None
            request.transport.abort()
            return aiohttp.web.Response()
        if what == "hang":
            await self._hang()
        if self.strict and self.unknown in fields:
            return aiohttp.web.json_response({"error": {"message": f"unknown: {self.unknown}"}}, status=400)
        return self._reply(what, fields)

    def _reply(self, what: object, fields: dict[str, Any]) -> aiohttp.web.Response:
        if isinstance(what, bytes):
            return aiohttp.web.Response(body=what)
        if isinstance(what, int) and what != 200:
            headers = {"Retry-After": "0", "Location": self.url}
            return aiohttp.web.json_response({"error": {"message": f"no {KEY}"}}, status=what, headers=headers)
        return aiohttp.web.json_response(FULL if fields.get("return_token_ids") else _plain())

    async def _hang(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.hung_up.set()
            raise


def _plain() -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": "plain"}, "finish_reason": "stop"}]}


@asynccontextmanager
async def upstream(**settings: Any) -> AsyncGenerator[tuple[Fake, UpstreamModel]]:  # noqa: ANN401 - of several types
    """A fake server and a model that asks it."""
    fake = Fake()
    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(fake.handle, handler_cancellation=True, access_log=None))
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    model = UpstreamModel(Upstream(fake.url + "/", model="qwen", **settings), first_backoff=0.01)
    try:
        yield fake, model
    finally:
        await model.close()
        await model.close()
        await runner.cleanup()


async def test_tokens_are_asked_for_and_taken() -> None:
    """A call goes out under the upstream's own name for the model, asks for exact tokens, and brings them back."""
    async with upstream() as (fake, model):
        completion = await model(CALL)
        assert (completion.prompt_token_ids, completion.completion_token_ids) == ((1, 2, 3), (4, 5))
        assert (completion.logprobs, completion.weight_version) == ((-0.5, -9999.0), "7")
        (sent,) = fake.seen
        assert (sent["model"], sent["vendor"]) == ("qwen", 1)
        assert (sent["logprobs"], sent["return_token_ids"]) == (True, True)
        assert not {"stream", "stream_options"} & set(sent)
        assert "authorization" not in fake.headers[0]
        assert model.exact


async def test_tokens_are_not_asked_for_when_not_wanted() -> None:
    """With ``token_ids=False`` the request has none of the fields that plain servers reject."""
    async with upstream(token_ids=False) as (fake, model):
        assert (await model(CALL)).text == "plain"
        assert not {"logprobs", "return_token_ids"} & set(fake.seen[0])


@pytest.mark.parametrize("todo", [[500, 500], [429], [503, "reset"], ["reset"], [b"{nonsense"], [408, 409, 502]])
async def test_what_passes_is_tried_again(todo: list[Any]) -> None:
    """Passing errors, broken connections and broken answers are tried again until there is an answer."""
    async with upstream() as (fake, model):
        fake.todo = list(todo)
        assert (await model(CALL)).text == "hi"
        assert len(fake.seen) == len(todo) + 1


async def test_what_breaks_off_is_tried_again() -> None:
    """An answer that its server broke off, in one piece or as half a stream, is asked for until it comes whole."""
    aborted = b'{"choices":[{"message":{"content":"I wi"},"finish_reason":"abort"}]}'
    async with upstream() as (fake, model):
        fake.todo = [aborted, b'data: {"choices":[{"delta":{"content":"I wi"}}]}\n\n', b'{"error":{"code":502}}']
        assert (await model(CALL)).text == "hi"
        assert len(fake.seen) == 4


async def test_what_the_server_would_say_again_is_told_once() -> None:
    """A shape that says nothing fails at once and for good, and the error shows the field."""
    async with upstream() as (fake, model):
        fake.todo = [b'{"choices":[{"message":{"content":7}}]}']
        with pytest.raises(ModelError, match=r"choices\[0\]\.message\.content: expected .*, got 7$") as failure:
            await model(CALL)
        assert (len(fake.seen), failure.value.retryable) == (1, False)


async def test_a_misfit_is_told_after_its_tries() -> None:
    """Answers that lack something are asked for as often as stated; the agent is not invited to do so again."""
    async with upstream(attempts=3) as (fake, model):
        fake.todo = [b'{"choices":[]}'] * 10
        with pytest.raises(ModelError, match="choices: expected at least one choice, got") as failure:
            await model(CALL)
        assert (len(fake.seen), failure.value.retryable) == (3, False)


async def test_a_key_in_an_answer_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be used of an answer is not shown if the key is anywhere in it."""
    monkeypatch.setenv("NEEDLE", KEY)
    async with upstream(api_key_env="NEEDLE") as (fake, model):
        fake.todo = [json.dumps({"choices": [{"message": {"content": {"a": "x" * 190 + KEY}}}]}).encode()]
        with pytest.raises(ModelError, match="got a value that holds the key") as failure:
            await model(CALL)
        assert "needle" not in failure.value.message


async def test_a_word_that_nobody_knows_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A finish reason that is not in the table is recorded, and the log has it once."""
    async with upstream() as (fake, model):
        fake.todo = [b'{"choices":[{"message":{"content":"x"},"finish_reason":"eager"}]}'] * 3
        said = [await model(CALL) for _ in range(3)]
    assert {(one.finish_reason, one.native_finish_reason) for one in said} == {("unknown", "eager")}
    assert [record.getMessage() for record in caplog.records].count(
        "the model server ends answers for a reason that is not known"
    ) == 1


async def test_tries_are_bounded() -> None:
    """After the stated number of tries the call fails, retryably, and says with what status."""
    async with upstream(attempts=3) as (fake, model):
        fake.todo = [500] * 10
        with pytest.raises(ModelError, match="answered 500") as failure:
            await model(CALL)
        assert (len(fake.seen), failure.value.retryable, failure.value.status) == (3, True, 500)


async def test_time_is_bounded() -> None:
    """All tries together have the stated time; then the request is cancelled on the server too."""
    async with upstream(timeout=0.2) as (fake, model):
        fake.todo = ["hang"]
        with pytest.raises(ModelError, match=r"within 0\.2 s"):
            await model(CALL)
        await asyncio.wait_for(fake.hung_up.wait(), 10)


async def test_a_cancelled_call_is_cancelled_upstream() -> None:
    """When nobody wants the answer any more, the server sees the connection go."""
    async with upstream() as (fake, model), anyio.create_task_group() as tasks:
        fake.todo = ["hang"]
        tasks.start_soon(model, CALL)
        await asyncio.wait_for(fake.arrived.wait(), 10)
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True), anyio.fail_after(10):
            await fake.hung_up.wait()


async def test_a_server_that_knows_no_tokens() -> None:
    """A server that rejects the token fields is asked once more without them, and that is remembered."""
    async with upstream() as (fake, model):
        fake.strict = True
        assert [(await model(CALL)).text for _ in range(3)] == ["plain"] * 3
        assert ["return_token_ids" in sent for sent in fake.seen] == [True, False, False, False]
        assert model.exact is False


async def test_a_server_that_knows_no_wishes() -> None:
    """What another dialect's agent can do without is left out where a server refuses it, and that is remembered."""
    wishes = {"generationConfig": {"topK": 5, "presencePenalty": 0.5}}
    asked = ModelCall(id="r.1.0", dialect="google", model="m", messages=CALL.messages, extra=wishes)
    async with upstream(token_ids=False) as (fake, model):
        fake.strict, fake.unknown = True, "top_k"
        assert [(await model(asked)).text for _ in range(2)] == ["plain"] * 2
        assert ["top_k" in sent for sent in fake.seen] == [True, False, False]
        assert [sent["presence_penalty"] for sent in fake.seen] == [0.5] * 3


async def test_wishes_are_left_out_for_no_other_reason() -> None:
    """A rejection that stays without the wishes is told as it came first; agents of the server's dialect are heeded."""
    asked = ModelCall(
        id="r.1.0", dialect="google", model="m", messages=CALL.messages, extra={"generationConfig": {"topK": 5}}
    )
    plain = ModelCall(id="r.1.0", dialect="chat", model="m", messages=CALL.messages, extra={"top_k": 5})
    async with upstream(token_ids=False) as (fake, model):
        fake.todo = [400, 400]
        with pytest.raises(ModelError):
            await model(asked)
        await model(asked)
        assert ["top_k" in sent for sent in fake.seen] == [True, False, True]
        fake.todo = [400]
        with pytest.raises(ModelError):
            await model(plain)
        assert len(fake.seen) == 4


async def test_tokens_are_not_lost_silently() -> None:
    """Once a server has given tokens, a rejection fails the call rather than going on without tokens."""
    async with upstream() as (fake, model):
        await model(CALL)
        fake.todo = [400]
        with pytest.raises(ModelError) as failure:
            await model(CALL)
        assert (len(fake.seen), failure.value.retryable, model.exact) == (2, False, True)


async def test_a_rejected_call_is_not_remembered() -> None:
    """A call that is rejected with and without the token fields says nothing about the server."""
    async with upstream() as (fake, model):
        fake.todo = [400, 400]
        with pytest.raises(ModelError):
            await model(CALL)
        assert (await model(CALL)).completion_token_ids == (4, 5)


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404])
async def test_the_key_stays_where_it_belongs(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes to the server in its header, follows no redirect, and is in no error and no repr."""
    monkeypatch.setenv("NEEDLE", KEY)
    async with upstream(api_key_env="NEEDLE") as (fake, model):
        fake.todo = [status] * 2
        with pytest.raises(ModelError) as failure:
            await model(CALL)
        assert {headers["authorization"] for headers in fake.headers} == {f"Bearer {KEY}"}
        assert len(fake.seen) == (2 if status == 400 else 1)
        assert not failure.value.retryable
        assert KEY not in f"{failure.value!r} {failure.value} {model!r} {failure.getrepr()}"


async def test_nobody_listens() -> None:
    """A server that is not there is a failure that passes."""
    model = UpstreamModel(Upstream("http://127.0.0.1:1/v1", model="m", attempts=2), first_backoff=0.001)
    with pytest.raises(ModelError) as failure:
        await model(CALL)
    await model.close()
    assert (failure.value.kind, failure.value.retryable) == ("unreachable", True)


async def test_many_at_once() -> None:
    """No hidden cap: as many calls as there are callers are with the server at the same time."""
    async with upstream() as (fake, model):
        fake.todo = ["hang"] * 250
        async with anyio.create_task_group() as tasks:
            for _ in range(250):
                tasks.start_soon(model, CALL)
            with anyio.fail_after(20):
                while len(fake.seen) < 250:
                    fake.arrived.clear()
                    await fake.arrived.wait()
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize("value", [None, "", "  ", "sk-needle\nX-Evil: 1", "sk-néedle"])
async def test_a_key_that_cannot_be_sent(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing, blank or unsendable key is reported by its variable's name when the model is opened."""
    monkeypatch.delenv("NEEDLE", raising=False)
    if value is not None:
        monkeypatch.setenv("NEEDLE", value)
    with pytest.raises(ValueError, match="NEEDLE") as error:
        UpstreamModel(Upstream("http://x/v1", model="m", api_key_env="NEEDLE"))
    assert "sk-" not in str(error.value)


async def test_a_url_that_is_none() -> None:
    """A base URL without its scheme is reported when the model is opened."""
    with pytest.raises(ValueError, match="http://"):
        UpstreamModel(Upstream("127.0.0.1:8000/v1", model="m"))


async def test_what_a_server_cannot_be_told_is_logged_once() -> None:
    """A field that chat completions have no word for is named in the log once, and its value never is."""
    extra = {"mcp_servers": [{"authorization_token": KEY}], "metadata": {"user_id": "u"}, "top_k": 4}
    call = replace(CALL, dialect="anthropic", extra=extra)
    async with upstream() as (fake, model):
        with capture_logs() as logs:
            await model(call)
            await model(call)
            await model(replace(call, extra={KEY: 1}))
    assert [(log["dialect"], log["field"]) for log in logs if "field" in log] == [
        ("anthropic", "mcp_servers"),
        ("anthropic", "any other field"),
    ]
    assert KEY not in str(logs)
    assert [sent.get("top_k") for sent in fake.seen] == [4, 4, None]
