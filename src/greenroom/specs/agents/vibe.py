"""Mistral Vibe: a coding agent with a headless mode that leaves nothing to wish for."""

from __future__ import annotations

from greenroom.specs.agent import AgentSpec, Invocation, Launch, PythonRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import called, content, gave, json_line, table, tables
from greenroom.specs.agents.lock import python_lock
from greenroom.specs.agents.toml import toml

_VERSION = "3.0.2"
_EXPORT = ".vibe/export"


def vibe_command(launch: Launch) -> Invocation:
    """``vibe`` in headless mode; it reads the prompt from a file."""
    return Invocation(
        argv=(
            *(f"{launch.prefix}/bin/vibe", "--prompt-file", launch.instruction_file, "--output", "streaming"),
            *("--output-dir", f"{launch.home}/{_EXPORT}", "--trust", *launch.approvals),
        ),
        env={
            "VIBE_HOME": f"{launch.home}/.vibe",
            "GREENROOM_API_KEY": launch.api_key,
            # Of a Python that was copied into the prefix, the program looks for its library where the original was.
            "LD_LIBRARY_PATH": f"{launch.prefix}/python/lib",
        },
        files={".vibe/config.toml": _config(launch)},
    )


def _config(launch: Launch) -> str:
    lines = [
        'active_model = "greenroom"',
        "enable_telemetry = false",
        "enable_update_checks = false",
        # A policy may hold a call for as long as the agent's budget lasts.
        f"api_timeout = {max(1.0, launch.reply_seconds):.1f}",
        "api_stream_idle_timeout = 0",
        "api_retry_max_elapsed_time = 60.0",
        "[[providers]]",
        'name = "greenroom"',
        f"api_base = {toml(launch.base_url)}",
        'api_key_env_var = "GREENROOM_API_KEY"',
        'api_style = "openai"',
        'backend = "generic"',
        "[[models]]",
        f"name = {toml(launch.model)}",
        'provider = "greenroom"',
        'alias = "greenroom"',
    ]
    return "\n".join(lines) + "\n"


def vibe_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--output streaming``: what was said, and what tools did, each once it is complete."""
    record = json_line(line)
    match record.get("type"):
        case "message" if record.get("role") == "assistant":
            return tuple(event for part in tables(record.get("content")) for event in content(part))
        case "effect":
            detail, state = table(record.get("detail")), table(record.get("state"))
            failed = state.get("status") not in ("completed", None)
            given = state.get("outputText") or state.get("error")
            id = record.get("id")
            return called(detail.get("toolName"), detail.get("input"), id), gave(given, id, failed=failed)
        case _:
            return ()


# Its MCP tools are not offered to the model: they are functions for code that the model writes. So it is given none.
VIBE = AgentSpec(
    name="vibe",
    dialect="chat",
    command=vibe_command,
    summary=f"Mistral Vibe {_VERSION}: Mistral's coding agent",
    version=_VERSION,
    recipe=PythonRecipe(packages=(f"mistral-vibe=={_VERSION}",), python="3.12", lock=python_lock("vibe")),
    check=("{prefix}/bin/vibe", "--version"),
    delivery="file",
    approvals={"all_tools": ("--auto-approve",), "edits_in_workdir": ("--agent", "accept-edits")},
    approve=("all_tools",),
    events=vibe_events,
    artifacts=(f"{_EXPORT}/session/journal/*.jsonl",),
    turn_limit="kept",
    timeouts=(Timeout(what="a reply", seconds=720, lifted=True),),
    proof="proved",
)
