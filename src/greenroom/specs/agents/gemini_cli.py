"""Gemini CLI, Google's coding agent, and what it shares with its fork Qwen Code."""

from __future__ import annotations

import json
from typing import Any

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import called, gave, json_line, table, text
from greenroom.specs.agents.lock import npm_lock
from greenroom.specs.agents.machine import NODE

_VERSION = "0.61.0"
_PROGRAM = "node_modules/@google/gemini-cli/bundle/gemini.js"


def gemini_command(launch: Launch) -> Invocation:
    """One prompt from standard input, its steps as JSON."""
    return Invocation(
        argv=argv(launch, _PROGRAM),
        env={"GEMINI_API_KEY": launch.api_key, "GOOGLE_GEMINI_BASE_URL": launch.root_url},
        files={".gemini/settings.json": json.dumps(settings(launch, "gemini-api-key"))},
    )


def argv(launch: Launch, program: str) -> tuple[str, ...]:
    """The program with one prompt from standard input, its steps as JSON."""
    node, script = f"{launch.prefix}/bin/node", f"{launch.prefix}/{program}"
    return (node, script, "--model", launch.model, "--output-format", "stream-json", *launch.approvals)


def settings(launch: Launch, auth: str) -> dict[str, Any]:
    """The user's settings: how to log in, MCP servers, and nothing that asks the network."""
    servers = {
        server.name: {"command": server.command[0], "args": server.command[1:], "env": server.env, "trust": True}
        for server in launch.mcp_servers
    }
    return {
        "security": {"auth": {"selectedType": auth}, "folderTrust": {"enabled": False}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {
            "disableAutoUpdate": True,
            "disableUpdateNag": True,
            "enableAutoUpdate": False,
        },
        "mcpServers": servers,
    }


def gemini_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--output-format stream-json``."""
    record = json_line(line)
    match record.get("type"):
        case "message" if record.get("role") == "assistant" and record.get("content"):
            return (AgentEvent(kind="text", text=text(record["content"])),)
        case "tool_use":
            return (called(record.get("tool_name"), record.get("parameters"), record.get("tool_id")),)
        case "tool_result":
            failed = record.get("status") == "error"
            return (gave(record.get("output") or record.get("error"), record.get("tool_id"), failed=failed),)
        case "error":
            return (AgentEvent(kind="error", text=text(record.get("message"))),)
        case "result":
            error = table(record.get("error"))
            return (AgentEvent(kind="error" if error else "end", text=text(error.get("message"))),)
        case _:
            return ()


GEMINI_CLI = AgentSpec(
    name="gemini-cli",
    dialect="google",
    command=gemini_command,
    summary=f"Gemini CLI {_VERSION}: Google's coding agent",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"@google/gemini-cli@{_VERSION}",), node=NODE, lock=npm_lock("gemini-cli")),
    check=("{prefix}/bin/node", f"{{prefix}}/{_PROGRAM}", "--version"),
    requires=("bash",),
    env={"GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_CLI_NO_RELAUNCH": "true"},
    quiet={"GEMINI_TELEMETRY_ENABLED": "false"},
    approvals={"all_tools": ("--approval-mode", "yolo"), "edits_in_workdir": ("--approval-mode", "auto_edit")},
    approve=("all_tools",),
    mcp=True,
    events=gemini_events,
    artifacts=(".gemini/tmp/*/chats/*",),
    turn_limit="kept",
    timeouts=(
        Timeout(what="the first byte of a reply", seconds=60, lifted=False),
        Timeout(what="silence on a stream", seconds=302, lifted=False),
    ),
    proof="proved",
)
