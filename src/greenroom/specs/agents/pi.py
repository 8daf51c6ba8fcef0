"""pi, a terminal coding agent with four tools (``@earendil-works/pi-coding-agent``)."""

from __future__ import annotations

import json

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import Json, called, content, gave, json_line, table, tables, text
from greenroom.specs.agents.lock import npm_lock
from greenroom.specs.agents.machine import NODE

_VERSION = "0.87.1"
_CLI = "node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js"
_HERMETIC = (
    *("--no-extensions", "--no-skills", "--no-prompt-templates", "--no-themes", "--no-context-files"),
    *("--no-approve", "--tools", "read,bash,edit,write"),
)
_ARGUMENT_LIMIT = 120_000
"""Bytes. The kernel refuses a single argument of 128 KiB."""
_JS_SPACE = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What JavaScript's ``String.trim`` removes."""


def pi_command(launch: Launch) -> Invocation:
    """One prompt in JSON mode, which tells what pi does as it does it; it exits 0 there although the model failed."""
    stdin, arguments = _deliver(launch.instruction)
    node, cli = f"{launch.prefix}/bin/node", f"{launch.prefix}/{_CLI}"
    return Invocation(
        argv=(node, cli, "--print", "--mode", "json", *_HERMETIC, *arguments),
        env={
            "PI_CODING_AGENT_DIR": f"{launch.home}/.pi/agent",
            "GREENROOM_API_KEY": launch.api_key,
        },
        files={".pi/agent/models.json": _models(launch), ".pi/agent/settings.json": _settings(launch)},
        stdin=stdin,
    )


def _deliver(instruction: str) -> tuple[str, tuple[str, ...]]:
    """Standard input and arguments that together reach the model byte for byte.

    pi trims its standard input and then appends its first argument, so outer white space travels as an argument.
    Only text of more than 120 kB loses white space at its beginning.
    """
    body = instruction.rstrip(_JS_SPACE)
    if body.startswith(tuple(_JS_SPACE)) and len(instruction.encode()) < _ARGUMENT_LIMIT:
        return "", ("--", instruction)
    tail = instruction[len(body) :]
    return body, ("--", tail) if tail else ()


def _models(launch: Launch) -> str:
    # The key is named, not written: what the home directory holds may be kept as an artifact.
    model = {"id": launch.model, "contextWindow": 131072, "maxTokens": 8192}
    provider = {
        "baseUrl": launch.base_url,
        "api": "openai-completions",
        "apiKey": "$GREENROOM_API_KEY",
        "compat": {"supportsStore": False, "supportsDeveloperRole": False, "maxTokensField": "max_tokens"},
        "models": [model],
    }
    return json.dumps({"providers": {"greenroom": provider}})


def _settings(launch: Launch) -> str:
    # The model is chosen here: as an option, a name such as "qwen3:high" would be read as a thinking level.
    # No idle timeout: a policy may hold a call for as long as the agent's budget lasts.
    settings = {
        "defaultProvider": "greenroom",
        "defaultModel": launch.model,
        "defaultThinkingLevel": "off",
        "cacheWarming": "off",
        "enableInstallTelemetry": False,
        "httpIdleTimeoutMs": 0,
        "retry": {"enabled": True, "maxRetries": 3, "baseDelayMs": 1000, "provider": {"maxRetries": 0}},
    }
    return json.dumps(settings)


def pi_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--mode json``, of which those that tell of pieces are passed over."""
    record = json_line(line)
    match record.get("type"):
        case "message_end":
            return _message(table(record.get("message")))
        case "tool_execution_end":
            given = table(record.get("result")).get("content")
            return (gave(given, record.get("toolCallId"), failed=record.get("isError")),)
        case "agent_end":
            return (AgentEvent(kind="end"),)
        case _:
            return ()


def _message(message: Json) -> tuple[AgentEvent, ...]:
    if message.get("role") != "assistant":
        return ()
    events = tuple(event for part in tables(message.get("content")) for event in _part(part))
    failed = text(message.get("errorMessage"))
    return (*events, AgentEvent(kind="error", text=failed)) if failed else events


def _part(part: Json) -> tuple[AgentEvent, ...]:
    if part.get("type") == "toolCall":
        return (called(part.get("name"), part.get("arguments"), part.get("id")),)
    return content(part)


PI = AgentSpec(
    name="pi",
    dialect="chat",
    command=pi_command,
    version=_VERSION,
    delivery="command",
    quiet={
        "PI_OFFLINE": "1",
        "PI_SKIP_VERSION_CHECK": "1",
        "PI_TELEMETRY": "0",
        "NODE_DISABLE_COMPILE_CACHE": "1",
    },
    exit_code_lies=True,
    events=pi_events,
    artifacts=(".pi/agent/sessions/*/*.jsonl",),
    timeouts=(Timeout(what="silence on the connection", seconds=300, lifted=True),),
    proof="proved",
    recipe=NpmRecipe(packages=(f"@earendil-works/pi-coding-agent@{_VERSION}",), node=NODE, lock=npm_lock("pi")),
    check=("{prefix}/bin/node", f"{{prefix}}/{_CLI}", "--version"),
    summary=f"pi {_VERSION}: a terminal coding agent with read, bash, edit and write",
)
