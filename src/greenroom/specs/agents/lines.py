"""Lines of JSON, as agents print them: what is none, or is not as expected, reads as empty."""

from __future__ import annotations

import json
from typing import Any, cast

from greenroom.specs.agent_event import AgentEvent

Json = dict[str, Any]


def json_line(line: str) -> Json:
    """The object that a line holds; empty if it is something else."""
    if not line.lstrip().startswith("{"):
        return {}
    try:
        return table(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def table(value: object) -> Json:
    """The value if it is an object, else an empty one."""
    return cast("Json", value) if isinstance(value, dict) else {}


def tables(value: object) -> list[Json]:
    """The objects of a list; none if it is no list."""
    return [table(item) for item in cast("list[object]", value)] if isinstance(value, list) else []


def text(value: object) -> str:
    """A value in words: text as it is, content parts joined, anything else as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list() if parts := [
            part["text"] for part in tables(cast("object", value)) if isinstance(part.get("text"), str)
        ]:
            return "\n".join(parts)
        case _:
            return json.dumps(value, ensure_ascii=False)


def called(tool: object, asked: object, id: object = None) -> AgentEvent:
    """The agent asks for a tool."""
    return AgentEvent(kind="tool_call", tool=text(tool), text=text(asked), id=text(id))


def gave(given: object, id: object = None, *, failed: object = False) -> AgentEvent:
    """A tool has given something back, or ``failed``."""
    return AgentEvent(kind="error" if failed else "tool_result", text=text(given), id=text(id))


def content(part: Json) -> tuple[AgentEvent, ...]:
    """A part of a message that is called ``text`` or ``thinking``; any other one says nothing. Empty text does not."""
    match part.get("type"):
        case "text" | "thinking" as kind if said := text(part.get(kind)):
            return (AgentEvent(kind="text" if kind == "text" else "thinking", text=said),)
        case _:
            return ()
