"""What the reference agent reports of its steps."""

from __future__ import annotations

from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import json_line, text


def bash_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines that ``bash_program`` prints."""
    record = json_line(line)
    match record.get("step"):
        case "assistant":
            said = text(record.get("text"))
            return (AgentEvent(kind="text", text=said),) if said else ()
        case "tool":
            call = AgentEvent(kind="tool_call", tool=text(record.get("name")), text=text(record.get("arguments")))
            given = text(record.get("output") or record.get("error"))
            return call, AgentEvent(kind="tool_result", text=given)
        case "error" | "retry":
            return (AgentEvent(kind="error", text=text(record.get("error"))),)
        case _:
            return ()
