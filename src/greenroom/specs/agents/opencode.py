"""OpenCode, and what it shares with its fork Kilo: a configuration of providers, and JSON steps on standard output."""

from __future__ import annotations

import json
from typing import Any

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import called, content, gave, json_line, table, text
from greenroom.specs.agents.machine import CPU

_VERSION = "1.18.33"
_PACKAGE = f"opencode-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/bin/opencode"
# A policy may hold a call for as long as the agent's budget lasts.
_PATIENCE = {"timeout": False, "headerTimeout": False, "chunkTimeout": False}


def opencode_command(launch: Launch) -> Invocation:
    """``opencode run``, with a title so that it does not ask the model for one."""
    return Invocation(
        argv=(f"{launch.prefix}/{_PROGRAM}", "run", "--format", "json", "--title", "task", *launch.approvals),
        env={"OPENCODE_CONFIG_CONTENT": json.dumps(config(launch, _PATIENCE)), "GREENROOM_API_KEY": launch.api_key},
    )


def config(launch: Launch, patience: dict[str, Any]) -> dict[str, Any]:
    """One provider with one model, its time-outs lifted by ``patience``, and nothing that asks the network."""
    options = {"baseURL": launch.base_url, "apiKey": "{env:GREENROOM_API_KEY}"}
    model = {"name": launch.model, "limit": {"context": 131072, "output": 8192}}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options | patience, "models": {launch.model: model}}
    servers = {
        server.name: {"type": "local", "command": server.command, "environment": server.env, "enabled": True}
        for server in launch.mcp_servers
    }
    return {
        "model": f"greenroom/{launch.model}",
        "small_model": f"greenroom/{launch.model}",
        "enabled_providers": ["greenroom"],
        "provider": {"greenroom": provider},
        "mcp": servers,
        "autoupdate": False,
        "share": "disabled",
    }


def opencode_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--format json``: parts of messages that are complete."""
    record = json_line(line)
    part = table(record.get("part"))
    match record.get("type"):
        case "text" | "reasoning":
            reasons = part.get("type") == "reasoning"
            return content({"type": "thinking", "thinking": part.get("text")} if reasons else part)
        case "tool_use":
            state, id = table(part.get("state")), part.get("callID")
            failed = state.get("status") == "error"
            given = state.get("error") if failed else state.get("output")
            return called(part.get("tool"), state.get("input"), id), gave(given, id, failed=failed)
        case "error":
            error = table(record.get("error"))
            return (AgentEvent(kind="error", text=text(table(error.get("data")).get("message") or error)),)
        case _:
            return ()


OPENCODE = AgentSpec(
    name="opencode",
    dialect="chat",
    command=opencode_command,
    summary=f"OpenCode {_VERSION}: a coding agent for any model",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"{_PACKAGE}@{_VERSION}",)),
    check=(f"{{prefix}}/{_PROGRAM}", "--version"),
    quiet={
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "npm_config_offline": "true",
    },
    approvals={"all_tools": ("--auto",)},
    approve=("all_tools",),
    mcp=True,
    events=opencode_events,
    turn_limit="advisory",
    timeouts=(Timeout(what="silence on a stream", seconds=300, lifted=True),),
    proof="proved",
)
