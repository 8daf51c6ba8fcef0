"""Cline's command line: one binary, with a daemon of its own that outlives it until the sandbox is quieted."""

from __future__ import annotations

import json

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import called, gave, json_line, table, text
from greenroom.specs.agents.lock import npm_lock
from greenroom.specs.agents.machine import CPU

_VERSION = "3.0.65"
_PACKAGE = f"@cline/cli-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/bin/cline"


def cline_command(launch: Launch) -> Invocation:
    """One prompt; the provider is configured as ``cline auth`` does it, in a file that is no artifact."""
    provider = {"provider": "openai-compatible", "apiKey": launch.api_key, "model": launch.model}
    known = {"settings": {**provider, "baseUrl": launch.base_url}, "tokenSource": "manual"}
    providers = {"openai-compatible": {**known, "updatedAt": "2026-01-01T00:00:00.000Z"}}
    settings = {"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}, "providers": providers}
    servers = {
        server.name: {"command": server.command[0], "args": server.command[1:], "env": server.env}
        for server in launch.mcp_servers
    }
    return Invocation(
        argv=(
            *(f"{launch.prefix}/{_PROGRAM}", "--json", "--provider", "openai-compatible", *launch.approvals),
            *("--", launch.instruction),
        ),
        files={
            ".cline/data/settings/providers.json": json.dumps(settings),
            ".cline/data/settings/cline_mcp_settings.json": json.dumps({"mcpServers": servers}),
        },
    )


def cline_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--json``, of which those that tell of pieces are passed over."""
    record = json_line(line)
    event = table(record.get("event"))
    match event.get("type") or record.get("type"), event.get("contentType"):
        case "content_end", "text" | "reasoning" as kind:
            said = text(event.get("text") or event.get("reasoning"))
            return (AgentEvent(kind="text" if kind == "text" else "thinking", text=said),) if said else ()
        case "content_start", "tool":
            return (called(event.get("toolName"), event.get("input"), event.get("toolCallId")),)
        case "content_end", "tool":
            given = event.get("error") or event.get("output")
            return (gave(given, event.get("toolCallId"), failed=event.get("error")),)
        case "done", _:
            return (AgentEvent(kind="end", text=text(event.get("text"))),)
        case "error", _:
            return (AgentEvent(kind="error", text=text(record.get("message") or event.get("message"))),)
        case _:
            return ()


CLINE = AgentSpec(
    name="cline",
    dialect="chat",
    command=cline_command,
    summary=f"Cline {_VERSION}: a coding agent, on the command line",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"{_PACKAGE}@{_VERSION}",), lock=npm_lock("cline")),
    check=(f"{{prefix}}/{_PROGRAM}", "--version"),
    requires=("bash",),
    delivery="command",
    env={"CLINE_SESSION_BACKEND_MODE": "local"},
    quiet={"CLINE_TELEMETRY_DISABLED": "1", "CLINE_NO_AUTO_UPDATE": "1"},
    approvals={"all_tools": ("--auto-approve", "true")},
    approve=("all_tools",),
    mcp=True,
    events=cline_events,
    proof="proved",
)
