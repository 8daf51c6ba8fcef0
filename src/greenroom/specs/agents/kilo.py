"""Kilo, a fork of OpenCode."""

from __future__ import annotations

import json

from greenroom.specs.agent import AgentSpec, Invocation, Launch, NpmRecipe, Timeout
from greenroom.specs.agents.machine import CPU
from greenroom.specs.agents.opencode import config, opencode_events

_VERSION = "7.7.7"
_PACKAGE = f"@kilocode/cli-linux-{CPU}"
_PROGRAM = f"node_modules/{_PACKAGE}/bin/kilo"


def kilo_command(launch: Launch) -> Invocation:
    """``kilo run``, with a title so that it does not ask the model for one."""
    return Invocation(
        argv=(f"{launch.prefix}/{_PROGRAM}", "run", "--format", "json", "--title", "task", *launch.approvals),
        env={
            "KILO_CONFIG_CONTENT": json.dumps(config(launch, {"timeout": False})),
            "GREENROOM_API_KEY": launch.api_key,
        },
    )


KILO = AgentSpec(
    name="kilo",
    dialect="chat",
    command=kilo_command,
    summary=f"Kilo {_VERSION}: a fork of OpenCode",
    version=_VERSION,
    recipe=NpmRecipe(packages=(f"{_PACKAGE}@{_VERSION}",)),
    check=(f"{{prefix}}/{_PROGRAM}", "--version"),
    quiet={
        "KILO_DISABLE_MODELS_FETCH": "1",
        "KILO_DISABLE_AUTOUPDATE": "1",
        "KILO_DISABLE_LSP_DOWNLOAD": "1",
        "KILO_DISABLE_CODEBASE_INDEXING": "1",
        "KILO_DISABLE_PRESENCE": "1",
        "KILO_DISABLE_SESSION_INGEST": "1",
        "KILO_TELEMETRY_LEVEL": "off",
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
