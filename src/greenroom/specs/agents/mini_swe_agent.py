"""mini-swe-agent: a loop around one shell tool, through litellm, without streaming."""

from __future__ import annotations

import json
import re

from greenroom.specs.agent import AgentSpec, Invocation, Launch, PythonRecipe, Timeout
from greenroom.specs.agents.lock import python_lock

_VERSION = "2.4.6"
_CONFIG = ".config/mini-swe-agent/greenroom.yaml"
_TRAJECTORY = ".config/mini-swe-agent/trajectory.json"
_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def mini_command(launch: Launch) -> Invocation:
    """``mini`` in its own default configuration, and ours over it, which holds the task."""
    return Invocation(
        argv=(
            *(f"{launch.prefix}/bin/mini", *launch.approvals, "--exit-immediately", "--cost-limit", "0"),
            *("--config", "mini.yaml", "--config", f"{launch.home}/{_CONFIG}"),
            *("--output", f"{launch.home}/{_TRAJECTORY}"),
        ),
        env={
            "MSWEA_GLOBAL_CONFIG_DIR": f"{launch.home}/.config/mini-swe-agent",
            "OPENAI_API_KEY": launch.api_key,
        },
        files={_CONFIG: _config(launch)},
    )


def _config(launch: Launch) -> str:
    # A policy may hold a call for as long as the agent's budget lasts.
    kwargs = {"api_base": launch.base_url, "timeout": max(1.0, launch.reply_seconds), "drop_params": True}
    model = {"model_name": launch.model, "model_kwargs": kwargs, "cost_tracking": "ignore_errors"}
    return _yaml({"run": {"task": launch.instruction}, "model": model})


def _yaml(value: object) -> str:
    # JSON is YAML, but for a few characters that YAML refuses, or takes for ends of lines.
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


MINI_SWE_AGENT = AgentSpec(
    name="mini-swe-agent",
    dialect="chat",
    command=mini_command,
    summary=f"mini-swe-agent {_VERSION}: one shell tool and a loop",
    version=_VERSION,
    recipe=PythonRecipe(
        packages=(f"mini-swe-agent=={_VERSION}", "litellm[mcp]==1.106.2"), lock=python_lock("mini-swe-agent")
    ),
    check=("{prefix}/bin/python", "-c", "import litellm, minisweagent"),
    delivery="command",
    model_format="openai/{model}",
    env={
        "MSWEA_CONFIGURED": "true",
        "MSWEA_COST_TRACKING": "ignore_errors",
        "MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT": "4",
    },
    quiet={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "MSWEA_SILENT_STARTUP": "1"},
    approvals={"all_tools": ("--yolo",)},
    approve=("all_tools",),
    artifacts=(_TRAJECTORY,),
    streams=False,
    turn_limit="kept",
    timeouts=(Timeout(what="a reply", seconds=600, lifted=True),),
    proof="proved",
)
