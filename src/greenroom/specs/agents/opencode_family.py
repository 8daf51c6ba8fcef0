"""OpenCode and its forks: how they are run, their configuration of providers, and the JSON steps they print."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Proof, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import called, content, gave, json_line, table, text
from greenroom.specs.agents.lock import npm_lock


def family_spec(
    name: str,
    package: str,
    version: str,
    *,
    program: str,
    summary: str,
    command: Callable[[Launch], Invocation],
    quiet: dict[str, str],
    proof: Proof,
) -> AgentSpec:
    """What is declared of a member that is an npm package, with its ``program`` in it."""
    return AgentSpec(
        name=name,
        dialect="chat",
        command=command,
        summary=summary,
        version=version,
        recipe=NpmRecipe(packages=(f"{package}@{version}",), lock=npm_lock(name)),
        check=(f"{{prefix}}/{program}", "--version"),
        quiet=quiet | {"npm_config_offline": "true"},
        approvals={"all_tools": ("--auto",)},
        approve=("all_tools",),
        mcp=True,
        events=opencode_events,
        turn_limit="advisory",
        timeouts=(Timeout(what="silence on a stream", seconds=300, lifted=True),),
        proof=proof,
    )


def family_invocation(launch: Launch, program: str, *, variable: str, patience: dict[str, Any]) -> Invocation:
    """``run``, with a title so that it does not ask the model for one, and configured in ``variable``."""
    return Invocation(
        argv=(f"{launch.prefix}/{program}", "run", "--format", "json", "--title", "task", *launch.approvals),
        env={variable: json.dumps(_config(launch, patience)), "GREENROOM_API_KEY": launch.api_key},
    )


def _config(launch: Launch, patience: dict[str, Any]) -> dict[str, Any]:
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
