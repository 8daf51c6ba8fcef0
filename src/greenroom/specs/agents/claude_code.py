"""Claude Code, Anthropic's coding agent: one binary that speaks the Anthropic dialect."""

from __future__ import annotations

import json

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import Json, called, content, gave, json_line, table, tables, text
from greenroom.specs.agents.lock import npm_lock
from greenroom.specs.agents.machine import CPU

_VERSION = "2.1.329"
_PACKAGE = f"@anthropic-ai/claude-code-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/claude"
_MCP = ".claude/greenroom-mcp.json"
_HOLD_MS = str(24 * 3600 * 1000)


def claude_command(launch: Launch) -> Invocation:
    """One prompt in print mode. MCP servers come from us alone, not from files a task holds."""
    return Invocation(
        argv=(
            *(f"{launch.prefix}/{_PROGRAM}", "--print", "--output-format", "stream-json", "--verbose"),
            *("--strict-mcp-config", "--mcp-config", f"{launch.home}/{_MCP}", "--model", launch.model),
            *launch.approvals,
        ),
        env={
            "ANTHROPIC_BASE_URL": launch.root_url,
            "ANTHROPIC_API_KEY": launch.api_key,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": launch.model,  # of side requests
            "CLAUDE_CONFIG_DIR": f"{launch.home}/.claude",
        },
        files={_MCP: _servers(launch)},
    )


def _servers(launch: Launch) -> str:
    return json.dumps(
        {
            "mcpServers": {
                server.name: {"command": server.command[0], "args": server.command[1:], "env": server.env}
                for server in launch.mcp_servers
            }
        }
    )


def claude_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--output-format stream-json``."""
    record = json_line(line)
    match record.get("type"):
        case "assistant" | "user":
            parts = tables(table(record.get("message")).get("content"))
            return tuple(event for part in parts for event in _part(part))
        case "result":
            said = text(record.get("result"))
            return (
                AgentEvent(kind="error", text=said) if record.get("is_error") else AgentEvent(kind="end", text=said),
            )
        case _:
            return ()


def _part(part: Json) -> tuple[AgentEvent, ...]:
    match part.get("type"):
        case "tool_use":
            return (called(part.get("name"), part.get("input"), part.get("id")),)
        case "tool_result":
            return (gave(part.get("content"), part.get("tool_use_id"), failed=part.get("is_error")),)
        case _:
            return content(part)


CLAUDE_CODE = AgentSpec(
    name="claude-code",
    dialect="anthropic",
    command=claude_command,
    summary=f"Claude Code {_VERSION}: Anthropic's coding agent",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"{_PACKAGE}@{_VERSION}",), lock=npm_lock("claude-code")),
    check=(f"{{prefix}}/{_PROGRAM}", "--version"),
    requires=("bash",),
    env={
        "IS_SANDBOX": "1",  # without it, root may not use every tool
        "CLAUDE_CODE_MAX_RETRIES": "4",
        "ENABLE_TOOL_SEARCH": "false",  # only Anthropic's own server can look up tools that are held back
        # A policy may hold a call for as long as the agent's budget lasts.
        "API_TIMEOUT_MS": _HOLD_MS,
        "CLAUDE_STREAM_IDLE_TIMEOUT_MS": _HOLD_MS,
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": _HOLD_MS,
    },
    quiet={"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"},
    approvals={
        "all_tools": ("--dangerously-skip-permissions",),
        "edits_in_workdir": ("--permission-mode", "acceptEdits"),
    },
    approve=("all_tools",),
    mcp=True,
    events=claude_events,
    artifacts=(".claude/projects/*/*.jsonl",),
    turn_limit="kept",
    timeouts=(
        Timeout(what="silence on a stream", seconds=300, lifted=True),
        Timeout(what="silence on the connection", seconds=296, lifted=False),
    ),
    proof="proved",
)
