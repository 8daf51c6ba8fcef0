"""The agent's clock with real processes and sockets: it stands still for the model, and for no deed of the agent."""

from __future__ import annotations

import anyio
import pytest

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Outcome, Text
from greenroom.specs import AgentSpec, Invocation, Launch, Local, TaskSpec

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.long,
    pytest.mark.needs("bwrap"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

ASKING = """
import http.client, json, os, sys, threading, time, urllib.parse
url = urllib.parse.urlsplit(os.environ["URL"])
headers = {"Authorization": "Bearer " + os.environ["KEY"], "Content-Type": "application/json"}
def connect():
    return http.client.HTTPConnection(url.hostname, url.port, timeout=100)
def ask(words, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": words}], **more}
    connection = connect()
    connection.request("POST", url.path + "/chat/completions", json.dumps(body), headers)
    return connection.getresponse()
def hammer(hand):
    for number in range(10**6):
        ask(f"{hand} {number}").read()
"""
WAITS = "print(ask('hello').read())"
HOLDS = "for hand in range(4): threading.Thread(target=hammer, args=(hand,)).start(); time.sleep(0.2)"
NEVER_SAYS = """
connection = connect()
connection.putrequest("POST", url.path + "/chat/completions")
for name, value in {**headers, "Content-Length": "1000"}.items(): connection.putheader(name, value)
connection.endheaders(b"{")
time.sleep(1000)
"""
READS_SLOWLY = """
reply = ask("hello", stream=True)
while reply.read(1): time.sleep(1)
time.sleep(1000)
"""


def acting(part: str) -> AgentSpec:
    """An agent that is a program in Python."""

    def command(launch: Launch) -> Invocation:
        env = {"URL": launch.base_url, "KEY": launch.api_key}
        return Invocation(argv=(launch.python, "-I", "-S", "-c", ASKING + part), env=env)

    return AgentSpec(name="acting", dialect="chat", command=command, may_be_silent=True)


async def played(part: str, model_seconds: float, **limits: float) -> Outcome:
    """The outcome of a task that nobody solves, at a model that takes so long for each answer."""

    async def model(_: ModelCall) -> Completion:
        await anyio.sleep(model_seconds)
        return Completion(parts=(Text("a" * 100),))

    task = TaskSpec(id="t", instruction="do it", verify=("false",), verify_timeout=5, deadline=90, **limits)  # type: ignore[arg-type]
    async with Engine(acting(part), model=model, sandbox=Local(), attempts=1, console=False) as engine:
        (outcome,) = [outcome async for outcome in engine.run([task])]
    return outcome


async def test_waiting_for_a_slow_model_costs_no_time() -> None:
    """An answer that takes longer than the agent has is waited for, and the outcome shows both times."""
    outcome = await played(WAITS, 5, agent_timeout=4)
    assert (outcome.status, outcome.reward_valid) == ("completed", True)
    assert outcome.model_seconds >= 5
    assert outcome.agent_seconds <= 4


async def test_calls_held_on_purpose_gain_no_more_than_the_wait() -> None:
    """Calls of many connections that always overlap stop the clock for `model_wait`, and are no excuse."""
    outcome = await played(HOLDS, 0.5, agent_timeout=2, model_wait=3)
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("agent_timeout", 0.0, True)
    assert outcome.agent_seconds + outcome.model_seconds == pytest.approx(5, abs=0.001)


@pytest.mark.parametrize("part", [NEVER_SAYS, READS_SLOWLY], ids=["never says", "reads slowly"])
async def test_a_call_that_the_agent_holds_up_itself_is_its_own_time(part: str) -> None:
    """A request that never ends, and an answer that is read byte by byte, stop no clock."""
    outcome = await played(part, 0, agent_timeout=2)
    assert (outcome.status, outcome.reward, outcome.reward_valid) == ("agent_timeout", 0.0, True)
    assert outcome.agent_seconds == pytest.approx(2, abs=0.001)
    assert outcome.model_seconds < 0.5
