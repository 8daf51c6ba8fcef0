"""An MCP server that an agent is given."""

from __future__ import annotations

from msgspec import Struct, field


class McpServer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Model Context Protocol server on standard input and output. The agent starts it, so it runs in the sandbox."""

    name: str
    """Letters, digits, ``_`` and ``-``; agents make it a part of the tools' names."""
    command: tuple[str, ...]
    """The program as seen in the sandbox, and its arguments. No shell is involved."""
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Added to what the agent gives it. Not for secrets: agents keep this in their configuration."""
