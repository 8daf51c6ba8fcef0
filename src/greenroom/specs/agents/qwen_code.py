"""Qwen Code, a fork of Gemini CLI that talks OpenAI chat completions."""

from __future__ import annotations

import json

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agents.claude_code import claude_events
from greenroom.specs.agents.gemini_cli import argv, settings
from greenroom.specs.agents.lock import npm_lock
from greenroom.specs.agents.machine import NODE

_VERSION = "0.24.4"
_PROGRAM = "node_modules/@qwen-code/qwen-code/cli-entry.js"
_HOLD_MS = 24 * 3600 * 1000


def qwen_command(launch: Launch) -> Invocation:
    """One prompt from standard input, its steps as JSON."""
    # A policy may hold a call for as long as the agent's budget lasts.
    patience = {"name": launch.model, "generationConfig": {"timeout": _HOLD_MS, "maxRetries": 3}}
    # Without this, MCP tools are held back until the model looks them up.
    tools = {"toolSearch": {"enabled": False}}
    return Invocation(
        argv=argv(launch, _PROGRAM),
        env={"OPENAI_API_KEY": launch.api_key, "OPENAI_BASE_URL": launch.base_url, "OPENAI_MODEL": launch.model},
        files={".qwen/settings.json": json.dumps({**settings(launch, "openai"), "model": patience, "tools": tools})},
    )


QWEN_CODE = AgentSpec(
    name="qwen-code",
    dialect="chat",
    command=qwen_command,
    summary=f"Qwen Code {_VERSION}: a coding agent by the makers of Qwen",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"@qwen-code/qwen-code@{_VERSION}",), node=NODE, lock=npm_lock("qwen-code")),
    check=("{prefix}/bin/node", f"{{prefix}}/{_PROGRAM}", "--version"),
    requires=("bash",),
    env={"QWEN_CODE_NO_RELAUNCH": "true"},
    quiet={"QWEN_TELEMETRY_ENABLED": "false"},
    approvals={"all_tools": ("--approval-mode", "yolo"), "edits_in_workdir": ("--approval-mode", "auto-edit")},
    approve=("all_tools",),
    mcp=True,
    events=claude_events,
    artifacts=(".qwen/projects/*/chats/*",),
    turn_limit="kept",
    timeouts=(Timeout(what="the first byte of a reply", seconds=120, lifted=True),),
    proof="proved",
)
