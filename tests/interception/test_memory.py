"""What one attempt said before, by name, within a bound."""

from __future__ import annotations

from greenroom.interception import Limits, Routes
from greenroom.interception.memory import Memory
from greenroom.messages import ChatMessage, Image, Text, ToolResult, ToolUse
from tests.interception.talk import quick


def said(text: str) -> tuple[ChatMessage, ...]:
    """A conversation of one message."""
    return (ChatMessage("user", (Text(text),)),)


def test_what_was_said_is_found_by_its_name() -> None:
    """The latest that was said under a name is recalled, and nothing under a name that nobody used."""
    memory = Memory(10_000)
    memory.keep("a", said("first"))
    memory.keep("b", said("other"))
    memory.keep("a", said("second"))
    assert (memory.recall("a"), memory.recall("b"), memory.recall("c")) == (said("second"), said("other"), None)


def test_the_oldest_are_forgotten_first() -> None:
    """Beyond its bound a memory forgets what was kept first; what is too large by itself is not kept."""
    memory = Memory(3_000)
    for name in "abcd":
        memory.keep(name, said(name * 700))
    assert [memory.recall(name) is None for name in "abcd"] == [True, False, False, False]
    memory.keep("large", said("x" * 4_000))
    assert memory.recall("large") is None
    assert memory.recall("d") is not None


def test_everything_that_can_be_long_counts() -> None:
    """Images, arguments of tools and what tools gave back count as text does, and so do names alone."""
    parts = (Image("x" * 900), ToolUse("a", "t", "x" * 900), ToolResult("a", (Text("x" * 900),)))
    for part in parts:
        memory = Memory(1_000)
        memory.keep("a", (ChatMessage("user", (part,)),))
        assert memory.recall("a") is None
    memory = Memory(10_000)
    for number in range(1_000):
        memory.keep(str(number), ())
    assert len(memory) < 100


def test_a_conversation_that_goes_on_is_held_once() -> None:
    """Messages that the conversation before began with are the same objects, not copies."""
    memory, text = Memory(10_000), "x" * 100
    memory.keep("a", said(text))
    memory.keep("b", (*said(text[:50] + text[50:]), *said("more")))
    first, second = memory.recall("a"), memory.recall("b")
    assert first is not None
    assert second is not None
    assert second[0] is first[0]


def test_a_route_that_is_closed_remembers_nothing() -> None:
    """What an attempt said is gone with its route."""
    routes = Routes(Limits())
    route = routes.open(quick, rollout_id="r")
    route.memory.keep("a", said("x"))
    routes.close(route)
    assert len(route.memory) == 0
