"""What an agent says of itself while it runs."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

AgentEventKind = Literal["text", "thinking", "tool_call", "tool_result", "error", "end"]


class AgentEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of an agent, read from its own output as it comes. A report, and hostile input: nothing judges by it."""

    kind: AgentEventKind
    """``end``: the agent says that it is done."""
    text: str = ""
    """What was said, asked of a tool, or given back by one. Long text is cut."""
    tool: str = ""
    """Name of the tool of a ``tool_call``."""
    id: str = ""
    """Which call a ``tool_result`` belongs to, as the agent names it."""
    at: float = 0.0
    """Seconds since the attempt began. Filled in by greenroom."""
