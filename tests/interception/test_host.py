"""Host tools: the model uses them, the agent never learns of it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from greenroom.interception import ModelError
from greenroom.interception.dialects import chat_request
from greenroom.interception.host import Host, allowed
from greenroom.messages import ChatMessage, Completion, ModelCall, Part, Text, Tool, ToolResult, ToolUse
from greenroom.specs import HostTool

pytestmark = pytest.mark.anyio

USER = ChatMessage("user", (Text("hi"),))
CALL = ModelCall(id="r.1.0", dialect="chat", model="m", messages=(USER,), tools=(Tool("bash"),))
LOOK = ToolUse("h1", "look", '{"at": "sun"}')
BASH = ToolUse("a1", "bash", '{"command": "ls"}')


async def look(arguments: dict[str, Any], call: ModelCall) -> str:
    """A tool that says what it was asked, and by whom."""
    return f"{arguments['at']} for {call.id}"


def tool(name: str = "look", run: Callable[..., Awaitable[str]] = look, seconds: float = 60.0) -> HostTool:
    """A host tool."""
    return HostTool(name, "Looks.", {"type": "object"}, run, seconds)


def uses(*parts: Part) -> Completion:
    """An answer that uses tools."""
    return Completion(parts=parts, finish_reason="tool_calls")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def says(text: str) -> Completion:
    """An answer that is text."""
    return Completion(parts=(Text(text),))


class Model:
    """Gives these answers, one after the other, and keeps what it was asked."""

    def __init__(self, *answers: Completion) -> None:
        self.answers = list(answers)
        self.asked: list[ModelCall] = []

    async def __call__(self, call: ModelCall) -> Completion:
        """The next answer."""
        self.asked.append(call)
        return self.answers.pop(0)


def gave(call: ModelCall) -> list[str]:
    """What tools gave, as the model of ``call`` sees it."""
    results = [part for message in call.messages for part in message.parts if isinstance(part, ToolResult)]
    return [text.text for result in results for text in result.parts if isinstance(text, Text)]


async def test_a_tool_of_the_host_is_run_and_the_model_asked_again() -> None:
    """The agent gets the answer that comes of it, and each forward pass is there to be recorded."""
    model = Model(uses(LOOK), says("bright"))
    answer, passes = await Host(model, [tool()])(CALL)
    assert answer == says("bright")
    assert [one.call.id for one in passes] == ["r.1.0", "r.1.0+1"]
    assert [one.completion for one in passes] == [uses(LOOK), says("bright")]
    assert passes[1].call.messages == (
        USER,
        ChatMessage("assistant", (LOOK,)),
        ChatMessage("tool", (ToolResult("h1", (Text("sun for r.1.0"),)),)),
    )


async def test_schemas_are_put_in_where_they_lack() -> None:
    """A request gets the schemas it has not; the agent's own tool of that name is the agent's; none means none."""
    model = Model(says("a"), uses(LOOK), says("c"))
    host = Host(model, [tool(), tool("more")])
    await host(CALL)
    answer, _ = await host(replace(CALL, tools=(Tool("look", "the agent's"),)))
    assert answer == uses(LOOK)
    await host(replace(CALL, tool_choice="none"))
    offered = [[(one.name, one.description) for one in call.tools] for call in model.asked]
    assert offered == [
        [("bash", ""), ("look", "Looks."), ("more", "Looks.")],
        [("look", "the agent's"), ("more", "Looks.")],
        [("bash", "")],
    ]


async def test_only_what_is_allowed_is_offered_and_run() -> None:
    """A tool that the task may not use is not offered, and a model that uses it all the same gets nothing of it."""
    model = Model(uses(ToolUse("x", "more", "{}")))
    tools = allowed([tool(), tool("more")], ("look",))
    answer, _ = await Host(model, tools)(CALL)
    assert [one.name for one in model.asked[0].tools] == ["bash", "look"]
    assert answer == uses(ToolUse("x", "more", "{}"))
    assert allowed([tool()], None) == (tool(),)
    assert allowed([tool()], ()) == ()


async def test_what_happened_is_put_back_into_later_requests() -> None:
    """The agent's next request lacks what went on behind its back; the model sees all of it, where it was."""
    model = Model(uses(LOOK), uses(BASH), says("done"))
    host = Host(model, [tool()])
    await host(CALL)
    later = (USER, ChatMessage("assistant", (BASH,)), ChatMessage("tool", (ToolResult("a1", (Text("a.py"),)),)))
    await host(replace(CALL, id="r.1.1", messages=later))
    assert model.asked[2].messages == (
        USER,
        ChatMessage("assistant", (LOOK,)),
        ChatMessage("tool", (ToolResult("h1", (Text("sun for r.1.0"),)),)),
        *later[1:],
    )


async def test_tools_of_both_kinds_at_once() -> None:
    """The agent gets its own uses alone; with the results it sends back go those of the host, in the model's order."""
    model = Model(uses(Text("both"), LOOK, BASH), says("done"))
    host = Host(model, [tool()])
    answer, passes = await host(CALL)
    assert answer == uses(Text("both"), BASH)
    assert passes[0].completion == uses(Text("both"), LOOK, BASH)
    result = ChatMessage("tool", (ToolResult("a1", (Text("a.py"),)),))
    await host(replace(CALL, messages=(USER, ChatMessage("assistant", answer.parts), result)))
    assert model.asked[1].messages == (
        USER,
        ChatMessage("assistant", (Text("both"), LOOK, BASH)),
        ChatMessage("tool", (ToolResult("h1", (Text("sun for r.1.0"),)),)),
        result,
    )


async def test_a_history_that_was_rewritten_is_left_alone() -> None:
    """An agent that compacts its conversation has begun another one, into which nothing is put."""
    model = Model(uses(LOOK), says("bright"), says("on"))
    host = Host(model, [tool()])
    await host(CALL)
    summary = (ChatMessage("user", (Text("summary"),)), ChatMessage("assistant", (Text("bright"),)))
    await host(replace(CALL, messages=summary))
    assert model.asked[2].messages == summary


async def test_leftovers_of_messages_move_with_them() -> None:
    """What a request says of single messages is still said of the same ones when others are put in between."""
    model = Model(uses(LOOK), says("bright"), says("on"))
    host = Host(model, [tool()])
    fields = [{"role": "user", "content": "hi", "name": "ann"}, {"role": "user", "content": "on", "name": "bob"}]
    first, second = (
        chat_request.decode(json.dumps({"model": "m", "messages": messages}).encode())
        for messages in (fields[:1], fields)
    )
    await host(first)
    await host(second)
    sent = chat_request.encode(model.asked[2], "m")["messages"]
    assert [message.get("name") for message in sent] == ["ann", None, None, "bob"]


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (ToolUse("x", "look", "not json"), "The arguments are not a JSON object."),
        (ToolUse("x", "look", "[]"), "The arguments are not a JSON object."),
        (ToolUse("x", "look", "{}"), "The tool failed."),
        (ToolUse("x", "slow", "{}"), "The tool took longer than 5 s."),
        (ToolUse("x", "wrong", ""), "The tool failed."),
        (ToolUse("x", "exits", ""), "The tool failed."),
    ],
)
async def test_tools_that_fail(use: ToolUse, expected: str) -> None:
    """The model is told that a tool failed, not why, and goes on."""

    async def slow(arguments: dict[str, Any], call: ModelCall) -> str:
        await anyio.sleep(1000)
        return ""

    async def wrong(arguments: dict[str, Any], call: ModelCall) -> str:
        return 3  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    async def exits(arguments: dict[str, Any], call: ModelCall) -> str:
        raise SystemExit(1)

    tools = [tool(), tool("slow", slow, 5), tool("wrong", wrong), tool("exits", exits)]
    model = Model(uses(use), says("on"))
    answer, _ = await Host(model, tools)(CALL)
    assert answer == says("on")
    assert gave(model.asked[1]) == [expected]


async def test_several_at_once() -> None:
    """Uses in one answer run side by side, and their results keep the order of the uses."""

    async def nap(arguments: dict[str, Any], call: ModelCall) -> str:
        await anyio.sleep(arguments["seconds"])
        return str(arguments["seconds"])

    calls = [ToolUse("", "nap", json.dumps({"seconds": seconds})) for seconds in (3, 1, 2)]
    model = Model(uses(*calls), says("on"))
    began = anyio.current_time()
    await Host(model, [tool("nap", nap)])(CALL)
    assert anyio.current_time() - began == pytest.approx(3)
    assert gave(model.asked[1]) == ["3", "1", "2"]
    ids = [part.id for part in model.asked[1].messages[1].parts if isinstance(part, ToolUse)]
    assert len(set(ids)) == 3


async def test_a_model_that_never_stops() -> None:
    """After so many rounds the model is asked without the host's tools, and what it says then is the answer."""

    class Endless(Model):
        async def __call__(self, call: ModelCall) -> Completion:
            self.asked.append(call)
            return uses(Text("still"), replace(LOOK, id=str(len(self.asked))))

    model = Endless()
    answer, passes = await Host(model, [tool()])(CALL)
    assert answer == says("still")
    assert len(passes) == 33
    assert [one.name for one in model.asked[-1].tools] == ["bash"]


async def test_an_answer_that_was_cut_short() -> None:
    """A use that the model had no room to finish is not run."""
    model = Model(Completion(parts=(Text("I will"), LOOK), finish_reason="length"))
    answer, _ = await Host(model, [tool()])(CALL)
    assert answer == Completion(parts=(Text("I will"),), finish_reason="length")


async def test_a_failing_model_fails_the_call() -> None:
    """What a model raises between tools comes out, and nothing of the call is remembered."""

    class Failing(Model):
        async def __call__(self, call: ModelCall) -> Completion:
            if self.asked:
                raise ModelError("unavailable", "no")
            return await super().__call__(call)

    host = Host(Failing(uses(LOOK)), [tool()])
    with pytest.raises(ModelError):
        await host(CALL)
    assert len(host._backstage) == 0


async def test_memory_is_bounded() -> None:
    """Of a very long attempt only the latest places are remembered."""
    model = Model(*[answer for _ in range(300) for answer in (uses(LOOK), says("on"))])
    host = Host(model, [tool()])
    for number in range(300):
        await host(replace(CALL, messages=(USER,) * (number + 1)))
    assert len(host._backstage) == 256
