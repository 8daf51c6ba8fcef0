"""Agents that end well although they never got through to their model: that is no result."""

from __future__ import annotations

import pytest
from aiohttp import web

from greenroom.engine import Engine
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import AgentSpec, BlackBox, Invocation, Launch, Model, Simulated, TaskSpec
from greenroom.specs.checking import NOP
from tests.engine.playing import a_task, an_engine, play_one, shell_agent
from tests.interception.test_provider import provider

pytestmark = pytest.mark.anyio

ASKING = """
import http.client, json, os, sys, urllib.error, urllib.request
for path in sys.argv[1:]:
    body = {"model": os.environ["MODEL"], "messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}
    data = json.dumps(body).encode() if path != "models" else None
    if path == "unreadable":
        path, data = "chat/completions", b"{}"
    url = os.environ["URL"] + "/" + path
    headers = {"Authorization": "Bearer " + os.environ["KEY"], "Content-Type": "application/json"}
    try:
        urllib.request.urlopen(urllib.request.Request(url, data, headers)).read()
    except urllib.error.HTTPError as error:
        print(path, error.code)
"""


def asking(*paths: str) -> AgentSpec:
    """An agent that asks for these paths, one after the other, and ends well whatever it is told."""

    def command(launch: Launch) -> Invocation:
        env = {"URL": launch.base_url, "KEY": launch.api_key, "MODEL": launch.model}
        return Invocation(argv=(launch.python, "-I", "-S", "-c", ASKING, *paths), env=env)

    return AgentSpec(name="asking", dialect="chat", command=command)


async def hello(_: ModelCall) -> Completion:
    """A model that works."""
    return Completion(parts=(Text("hello"),))


async def absent(_: ModelCall) -> Completion:
    """A model that is not there."""
    raise ModelError("unavailable", "come back later")


async def refusing(_: ModelCall) -> Completion:
    """A model that cannot be asked again."""
    raise ModelError("unauthorized", "wrong key", retryable=False)


async def local(agent: AgentSpec, model: Model = hello) -> Outcome:
    """What becomes of a task that is always passed, in a real sandbox."""
    task = TaskSpec(id="t", instruction="do it", verify=("true",), deadline=60)
    async with Engine(agent, model=model, attempts=2) as engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    return outcome


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ((), "no request came with its key"),
        (("models",), "requests came with its key (1), but no model call"),
        (("messages/count_tokens", "models"), "requests came with its key (2), but no model call"),
        (("v1/chat/completions",), "requests came with its key (1), but no model call"),
        (("unreadable",), "requests came with its key (1), but no model call"),
    ],
)
async def test_whoever_never_asked_for_an_answer_is_silent(paths: tuple[str, ...], said: str) -> None:
    """An agent that ends well without one readable model call is unscored, and its fault says what came instead."""
    outcome = await local(asking(*paths))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("agent_failed", None, False)
    assert outcome.fault is not None
    assert (outcome.fault.kind, outcome.fault.blame, len(outcome.attempts)) == ("agent_silent", "agent", 1)
    assert said in outcome.fault.message


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_one_answer_is_enough() -> None:
    """An agent that asked its model once and ended well is graded."""
    outcome = await local(asking("chat/completions"))
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", 1.0, True)


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize(("model", "attempts"), [(absent, 2), (refusing, 1)])
async def test_whoever_got_no_answer_has_no_reward(model: Model, attempts: int) -> None:
    """If the model answered none of its calls, the model is to blame, although the agent ended well."""
    outcome = await local(asking("chat/completions"), model)
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("model_failed", None, False)
    assert len(outcome.attempts) == attempts


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_an_answer_counts_for_its_attempt_alone() -> None:
    """An attempt without a call is silent, whatever was answered in the one before it."""

    async def once(call: ModelCall) -> Completion:
        if call.attempt == 2:
            pytest.fail("the second attempt asks for nothing")
        if call.index == 1:
            raise ModelError("unavailable", "come back later")
        return await hello(call)

    built = 0

    def command(launch: Launch) -> Invocation:
        nonlocal built
        built += 1
        env = {"URL": launch.base_url, "KEY": launch.api_key, "MODEL": launch.model}
        paths = ("chat/completions", "chat/completions") if launch.seconds and built == 1 else ()
        script = f"{ASKING}\nsys.exit({len(paths)})"
        return Invocation(argv=(launch.python, "-I", "-S", "-c", script, *paths), env=env)

    agent = AgentSpec(name="forgetful", dialect="chat", command=command)
    task = TaskSpec(id="t", instruction="do it", verify=("true",), deadline=60)
    async with Engine(agent, model=once, attempts=2) as engine:
        built = 0  # it was tried out before
        (outcome,) = [outcome async for outcome in engine.run([task])]
    first, second = outcome.attempts
    assert (first.status, len(first.turns), second.status, second.turns) == ("model_failed", 1, "agent_failed", ())
    assert outcome.fault is not None
    assert outcome.fault.kind == "agent_silent"


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
@pytest.mark.parametrize(("path", "status"), [("models", "agent_failed"), ("chat/completions", "completed")])
async def test_what_is_passed_on_counts_too(path: str, status: str) -> None:
    """An agent with a provider of its own is silent if it asks for anything but an answer, and not if it does."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": "hello"}}]})

    async with provider(answer) as url:
        outcome = await local(asking(path), BlackBox(base_url=f"{url}/v1"))
    assert (outcome.status, outcome.reward_valid) == (status, status == "completed")


async def test_a_spec_may_say_that_its_agent_needs_no_model() -> None:
    """Agents that may be silent are graded as others are, and their exit codes are judged."""
    quiet = await play_one(an_engine(shell_agent("true", may_be_silent=True)), a_task())
    failed = await play_one(an_engine(shell_agent("exit 3", may_be_silent=True)), a_task())
    simulated = await play_one(an_engine(sandbox=Simulated(turns=0)), a_task())
    nop = await play_one(an_engine(NOP), a_task())
    for outcome in (quiet, simulated, nop):
        assert (outcome.status, outcome.reward, outcome.reward_valid) == ("completed", 1.0, True)
    assert (failed.status, failed.reward, failed.reward_valid) == ("agent_failed", 1.0, True)
