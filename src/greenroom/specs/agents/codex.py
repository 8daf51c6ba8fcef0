"""codex, OpenAI's coding agent: a static binary that speaks the Responses dialect alone."""

from __future__ import annotations

import platform

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import Json, called, gave, json_line, table, tables, text
from greenroom.specs.agents.lock import npm_lock
from greenroom.specs.agents.machine import CPU
from greenroom.specs.agents.toml import toml
from greenroom.specs.mcp_server import McpServer

_VERSION = "0.169.0"
_PACKAGE = f"@openai/codex-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/vendor/{platform.machine()}-unknown-linux-musl/bin/codex"
_HOLD_MS = 24 * 3600 * 1000


def codex_command(launch: Launch) -> Invocation:
    """``codex exec`` with a configuration of its own."""
    return Invocation(
        argv=(f"{launch.prefix}/{_PROGRAM}", "exec", "--json", "--skip-git-repo-check", *launch.approvals, "-"),
        env={"CODEX_HOME": f"{launch.home}/.codex", "GREENROOM_API_KEY": launch.api_key},
        files={".codex/config.toml": _config(launch)},
    )


def _config(launch: Launch) -> str:
    lines = [
        f"model = {toml(launch.model)}",
        'model_provider = "greenroom"',
        "check_for_update_on_startup = false",
        'web_search = "disabled"',
        "[analytics]",
        "enabled = false",
        "[otel]",
        'metrics_exporter = "none"',
        "[features]",
        *(f"{name} = false" for name in ("plugins", "apps", "goals")),
        "[agents]",
        "enabled = false",
        "[model_providers.greenroom]",
        'name = "greenroom"',
        f"base_url = {toml(launch.base_url)}",
        'env_key = "GREENROOM_API_KEY"',
        'wire_api = "responses"',
        "request_max_retries = 3",
        "stream_max_retries = 3",
        # A policy may hold a call for as long as the agent's budget lasts.
        f"stream_idle_timeout_ms = {_HOLD_MS}",
        *(line for server in launch.mcp_servers for line in _server(server)),
    ]
    return "\n".join(lines) + "\n"


def _server(server: McpServer) -> list[str]:
    program, *arguments = server.command
    lines = [f"[mcp_servers.{toml(server.name)}]", f"command = {toml(program)}"]
    return [*lines, f"args = {toml(arguments)}", f"env = {toml(server.env)}"]


def codex_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--json``."""
    record = json_line(line)
    match record.get("type"):
        case "item.started":
            return _started(table(record.get("item")))
        case "item.completed":
            return _completed(table(record.get("item")))
        case "turn.completed":
            return (AgentEvent(kind="end"),)
        case "turn.failed" | "error":
            return (
                AgentEvent(kind="error", text=text(record.get("message") or table(record.get("error")).get("message"))),
            )
        case _:
            return ()


def _started(item: Json) -> tuple[AgentEvent, ...]:
    match item.get("type"):
        case "command_execution":
            return (called("shell", item.get("command"), item.get("id")),)
        case "mcp_tool_call":
            return (
                called(f"{text(item.get('server'))}.{text(item.get('tool'))}", item.get("arguments"), item.get("id")),
            )
        case "file_change":
            return (called("apply_patch", _paths(item), item.get("id")),)
        case _:
            return ()


def _completed(item: Json) -> tuple[AgentEvent, ...]:
    match item.get("type"):
        case "agent_message":
            return (AgentEvent(kind="text", text=text(item.get("text"))),)
        case "reasoning":
            return (AgentEvent(kind="thinking", text=text(item.get("text"))),)
        case "error":
            return (AgentEvent(kind="error", text=text(item.get("message"))),)
        case "command_execution" | "mcp_tool_call" | "file_change":
            return (gave(_given(item), item.get("id"), failed=item.get("error")),)
        case _:
            return ()


def _given(item: Json) -> object:
    """What a tool gave: each kind of item has its own field for it."""
    fields = ("aggregated_output", "error", "result", "status")
    return next((item[field] for field in fields if item.get(field) is not None), None)


def _paths(item: Json) -> str:
    return "\n".join(f"{text(change.get('kind'))} {text(change.get('path'))}" for change in tables(item.get("changes")))


CODEX = AgentSpec(
    name="codex",
    dialect="responses",
    command=codex_command,
    summary=f"codex {_VERSION}: OpenAI's coding agent",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"{_PACKAGE}@npm:@openai/codex@{_VERSION}-linux-{CPU}",), lock=npm_lock("codex")),
    check=(f"{{prefix}}/{_PROGRAM}", "--version"),
    approvals={
        "all_tools": ("--dangerously-bypass-approvals-and-sandbox",),
        "edits_in_workdir": ("--sandbox", "workspace-write"),
    },
    approve=("all_tools",),
    mcp=True,
    events=codex_events,
    artifacts=(".codex/sessions/*/*/*/rollout-*.jsonl",),
    timeouts=(Timeout(what="silence on a stream", seconds=300, lifted=True),),
    proof="proved",
)
