"""Servers that ask to be left alone: what a rollout costs them then, and what a thousand rollouts do."""

from __future__ import annotations

from collections import Counter
from email.utils import formatdate

import anyio
import pytest

import greenroom as gr
from greenroom.messages import Outcome
from greenroom.specs import AgentSpec, BlackBox, Invocation, Launch, Local, Simulated, Upstream
from tests.world.models.server import Asked, Said, chat, nobody_there, said, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

PROGRAM = """
import json, os, sys, urllib.request
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
headers = {"content-type": "application/json", "authorization": "Bearer " + os.environ["K"]}
for _ in range(15):
    try:
        urllib.request.urlopen(urllib.request.Request(os.environ["U"] + "/chat/completions", body, headers)).read()
        sys.exit(0)
    except OSError as error:
        print(error)
sys.exit(1)
"""


def stubborn() -> AgentSpec:
    """An agent that asks fifteen times, as SDKs and agents above them do together."""

    def command(launch: Launch) -> Invocation:
        return Invocation(argv=(launch.python, f"{launch.home}/a.py"), env={"U": launch.base_url, "K": launch.api_key})

    return AgentSpec(name="stubborn", dialect="chat", command=command, files={"a.py": PROGRAM})


def model(kind: str, url: str) -> Upstream | BlackBox:
    """One of the two that ask a server."""
    return Upstream(f"{url}/v1", model="m", token_ids=False) if kind == "upstream" else BlackBox(f"{url}/v1")


async def run(agent: AgentSpec | str, kind: str, url: str, rollouts: int = 1, **fields: object) -> list[Outcome]:
    """What becomes of rollouts whose verification fails."""
    usual: dict[str, object] = {"instruction": "x", "verify": ("false",), "deadline": 120.0} | fields
    sandbox = Simulated(boot=0.1, turn=0.1, turns=1) if agent == "simulated" else Local(unsafe=True, network=True)
    tasks = [gr.TaskSpec(id=f"t{number}", **usual) for number in range(rollouts)]  # type: ignore[arg-type]
    async with gr.Engine(agent, model=model(kind, url), sandbox=sandbox, concurrency=rollouts) as engine:
        return [outcome async for outcome in engine.run(tasks)]


def failed(outcomes: list[Outcome]) -> bool:
    """Whether all of them say that the model failed, and none has a reward."""
    return {(one.status, one.reward_valid, one.fault and one.fault.blame) for one in outcomes} == {
        ("model_failed", False, "model")
    }


# mpfaffenberger/code_puppy#317: three layers that each try again make 45 requests of one.
@pytest.mark.parametrize("kind", ["upstream", "black box"])
@pytest.mark.parametrize("status", [429, 503])
async def test_a_rollout_costs_eight_requests(kind: str, status: int) -> None:
    """Agents' tries, greenroom's own and whole new attempts together send a server that always fails eight requests."""
    async with serving(said(status, {"error": {"message": "busy"}}, retry_after_ms="40")) as server:
        outcomes = await run(stubborn(), kind, server.url)
    assert failed(outcomes)
    assert len(server.asked) == 8
    assert outcomes[0].fault is not None
    assert "8 requests of this rollout" in outcomes[0].fault.message


# earendil-works/pi#4991: quotas that come back in sixteen days, for which agents waited.
@pytest.mark.parametrize(("kind", "when"), [("upstream", "1382400"), ("black box", "date")])
async def test_a_wait_beyond_the_deadline(kind: str, when: str) -> None:
    """Where the server asks for more time than a rollout has, nobody asks again, and nobody waits for it."""
    when = formatdate(4e9, usegmt=True) if when == "date" else when
    with anyio.fail_after(30):
        async with serving(said(429, {"error": {"message": "quota"}}, Retry_After=when)) as server:
            outcomes = await run("simulated", kind, server.url, rollouts=20, deadline=100.0)
    assert failed(outcomes)
    # Those that were on their way before the first answer could not know.
    assert len(server.asked) <= 20


# NousResearch/hermes-agent#109234: thirty agents that were told the same wait came back in the same instant.
@pytest.mark.long
@pytest.mark.parametrize("kind", ["upstream", "black box"])
async def test_all_wait_and_one_goes_first(kind: str) -> None:
    """After the wait that one of them was told, one goes first; all are answered, and hardly any is refused again."""
    refused = 0

    def answer(_: Asked) -> Said:
        nonlocal refused
        if anyio.current_time() > opens:
            return said(200, chat())
        refused += 1
        return said(503, {"error": {"message": "busy"}}, retry_after_ms="200")

    opens = anyio.current_time() + 1.2
    async with serving(answer) as server:
        outcomes = await run("simulated", kind, server.url, rollouts=20, verify=("true",))
    assert Counter(outcome.status for outcome in outcomes) == {"completed": 20}
    assert refused <= 20 + 8


@pytest.mark.long
@pytest.mark.parametrize("kind", ["upstream", "black box"])
async def test_nobody_is_there(kind: str) -> None:
    """A server that refuses connections is the model's failure, soon enough, and is told by its own word."""
    with anyio.fail_after(100):
        outcomes = await run(stubborn(), kind, nobody_there(), deadline=12.0)
    assert failed(outcomes)
    assert outcomes[0].fault is not None
    assert "ClientConnectorError" in outcomes[0].fault.message


# MarimerLLC/rockbot#356, kolega-ai/kolega-code#58: every agent has its own back-off, and together they are a storm.
@pytest.mark.long
@pytest.mark.parametrize(("kind", "wait"), [("upstream", None), ("black box", "2")])
async def test_a_thousand_rollouts(kind: str, wait: str | None) -> None:
    """A thousand rollouts that meet a server which fails for all of their time send it fewer requests than they are."""
    headers = {"Retry-After": wait} if wait else {}
    async with serving(said(503, {"error": {"message": "busy"}}, **headers)) as server:
        outcomes = await run("simulated", kind, server.url, rollouts=1000, deadline=60.0)
    assert len(server.asked) < 1000
    assert failed(outcomes)
    assert len(outcomes) == 1000
