"""Who answers: tools of the host, and black boxes, through the whole engine."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from greenroom.engine import open_engine
from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.messages import Completion, ModelCall, Outcome, Text, ToolResult, ToolUse, prompt
from greenroom.specs import BlackBox, HostTool, Simulated
from tests.engine.playing import a_task, an_engine, play, play_one, quick
from tests.interception.test_provider import provider

pytestmark = pytest.mark.anyio


async def search(arguments: dict[str, Any], call: ModelCall) -> str:
    """A tool that tells who asked for what."""
    return f"{arguments['query']} in {call.task_id}"


SEARCH = HostTool("search", "Searches.", {"type": "object"}, search)


async def curious(call: ModelCall) -> Completion:
    """A model that looks something up before its second answer."""
    found = [part for message in call.messages for part in message.parts if isinstance(part, ToolResult)]
    if call.index == 1 and not found and "search" in {tool.name for tool in call.tools}:
        return Completion(parts=(ToolUse("s", "search", '{"query": "stars"}'),), finish_reason="tool_calls")
    return Completion(parts=(Text(f"{call.index}: {len(found)}"),))


async def test_a_host_tool_in_a_rollout() -> None:
    """Every forward pass is a turn; later prompts have what the tool gave, though the agent never had it."""
    outcome = await play_one(an_engine(model=curious, tools=[SEARCH]), a_task())
    assert outcome.status == "completed"
    assert [turn.completion.text for turn in outcome.turns] == ["0: 0", "", "1: 1", "2: 1", "3: 1"]
    results = [
        part for message in prompt(outcome.turns, 4).messages for part in message.parts if isinstance(part, ToolResult)
    ]
    assert results == [ToolResult("s", (Text("stars in t"),))]
    assert [turn.shared > 0 for turn in outcome.turns] == [False, True, True, True, True]


async def test_a_model_that_exits_fails_its_call_alone() -> None:
    """``SystemExit`` out of a model or a host tool is that one's failure; the engine answers the other rollouts."""

    async def leaving(call: ModelCall) -> Completion:
        if call.task_id == "leaving":
            raise SystemExit(3)
        return await curious(call)

    async def left(_: dict[str, Any], __: ModelCall) -> str:
        raise SystemExit(3)

    tools = [replace(SEARCH, run=left)]
    tasks = [a_task(), replace(a_task(), id="leaving")]
    outcomes = {one.task_id: one for one in await play(an_engine(model=leaving, tools=tools, attempts=1), tasks)}
    assert {id: (one.status, one.reward_valid) for id, one in outcomes.items()} == {
        "t": ("completed", True),
        "leaving": ("model_failed", False),
    }
    fault = outcomes["leaving"].fault
    assert fault is not None
    assert (fault.blame, fault.message) == ("model", "the model raised SystemExit")


async def test_what_only_training_needs_is_in_the_outcome() -> None:
    """Tokens, log-probabilities, the weights' version and the routing of tokens are recorded as the owner gave them."""
    exact = Completion(
        parts=(Text("x"),),
        prompt_token_ids=(1, 2),
        completion_token_ids=(3,),
        logprobs=(-0.5,),
        weight_version="step-7",
        routing=[[[0, 3], [1, 2]]],
    )

    async def owner(call: ModelCall) -> Completion:
        return exact

    outcome = await play_one(an_engine(model=owner), a_task())
    kept = msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome).turns[0]
    assert (kept.prompt_token_ids, kept.completion) == ((1, 2), replace(exact, prompt_token_ids=None))


async def test_a_task_says_which_tools_it_may_use() -> None:
    """A task without the tool is not offered it, and one that asks for a tool the engine lacks is refused."""
    engine = an_engine(model=curious, tools=[SEARCH])
    outcomes = await play(engine, [a_task("all"), a_task("none", host_tools=()), a_task("one", host_tools=("search",))])
    assert {outcome.task_id: len(outcome.turns) for outcome in outcomes} == {"all": 5, "none": 4, "one": 5}
    async with an_engine(model=curious, tools=[SEARCH]) as engine:
        with pytest.raises(TaskError, match="look; the engine has: search"):
            [outcome async for outcome in engine.run([a_task(host_tools=("look",))])]


def test_tools_are_checked_before_anything_starts() -> None:
    """A reserved name is refused when the engine is made, and so are tools where none can be offered."""
    with pytest.raises(ValueError, match="reserved"):
        an_engine(tools=[HostTool("reset", "", {}, search)])
    with pytest.raises(ValueError, match="BlackBox"):
        an_engine(model=BlackBox(base_url="http://x"), tools=[SEARCH])


def test_tasks_name_tools_in_their_files(tmp_path: Any) -> None:  # noqa: ANN401 - a path
    """A task's file lists host tools, each once."""
    (tmp_path / "t.toml").write_text('[[task]]\nid = "t"\ninstruction = "do"\nhost_tools = ["search"]\n')
    assert load_tasks(tmp_path / "t.toml")[0].host_tools == ("search",)
    (tmp_path / "t.toml").write_text('[[task]]\nid = "t"\ninstruction = "do"\nhost_tools = ["a", "a"]\n')
    with pytest.raises(TaskError, match="named twice"):
        load_tasks(tmp_path / "t.toml")


@pytest.mark.real_time
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_black_box_is_no_training_data() -> None:
    """An agent that talks to its own provider gives an outcome with turns, a reward, and the mark of it."""

    async def answer(request: web.BaseRequest) -> web.Response:
        asked = json.loads(await request.read())
        said = f"heard {len(asked['messages'])} for {asked['model']}"
        message = {"role": "assistant", "content": said}
        return web.json_response(
            {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 7}}
        )

    async with provider(answer) as url:
        model = BlackBox(base_url=f"{url}/v1", model="theirs")
        outcome = await play_one(an_engine(model=model, sandbox=Simulated(boot=0.001, turn=0.001)), a_task(max_turns=3))
    assert (outcome.status, outcome.reward, outcome.trainable) == ("truncated", 1.0, False)
    assert [turn.completion.text for turn in outcome.turns] == [f"heard {n} for theirs" for n in (1, 3, 5)]
    assert {turn.completion.completion_token_ids for turn in outcome.turns} == {None}
    assert outcome.turns[0].completion.usage.prompt_tokens == 7
    assert (await play_one(an_engine(model=quick, sandbox=Simulated(boot=0.001, turn=0.001)), a_task())).trainable


@pytest.mark.real_time
def test_sessions_without_async() -> None:
    """A plain script drives a session, pauses and resumes, and gets the outcome."""
    from greenroom.specs import Gate

    with open_engine("simulated", model=Gate(), sandbox=Simulated(boot=0.001, turn=0.001)) as engine:
        with engine.session(a_task(), sample=1) as session:
            while (call := session.next_call()) is not None:
                assert call.rollout_id == session.rollout_id
                engine.pause()
                call.reply(Completion(parts=(Text("ok"),)))
                engine.resume()
            assert (session.outcome().status, session.outcome().sample) == ("completed", 1)
        with engine.session(a_task()) as left:
            assert left.next_call() is not None
        assert left.outcome().status == "cancelled"
