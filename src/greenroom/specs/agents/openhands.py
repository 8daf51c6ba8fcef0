"""OpenHands' command line, headless: through litellm, without streaming."""

from __future__ import annotations

from greenroom.specs.agent import AgentSpec, Invocation, Launch, PythonRecipe, Timeout
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.agents.lines import called, content, gave, json_line, table, tables
from greenroom.specs.agents.lock import python_lock

_VERSION = "1.16.0"


def openhands_command(launch: Launch) -> Invocation:
    """One task, its model from the environment. A file with the task would be quoted to the model, not put."""
    return Invocation(
        argv=(
            *(f"{launch.prefix}/bin/openhands", "--headless", "--json", "--override-with-envs"),
            *(f"--task={launch.instruction}", *launch.approvals),
        ),
        env={
            "LLM_API_KEY": launch.api_key,
            "LLM_BASE_URL": launch.base_url,
            "LLM_MODEL": launch.model,
            "PYTHONUNBUFFERED": "1",
            # Of a Python that was copied into the prefix, the program looks for its library where the original was.
            "LD_LIBRARY_PATH": f"{launch.prefix}/python/lib",
        },
    )


def openhands_events(line: str) -> tuple[AgentEvent, ...]:
    """Steps in the lines of ``--json``."""
    record = json_line(line)
    id = record.get("tool_call_id")
    match record.get("kind"):
        case "MessageEvent" if record.get("source") == "agent":
            return _said(table(record.get("llm_message")).get("content"))
        case "ActionEvent":
            asked = table(record.get("tool_call")).get("arguments")
            return (*_said(record.get("thought")), called(record.get("tool_name"), asked, id))
        case "ObservationEvent":
            return (gave(table(record.get("observation")).get("content"), id),)
        case "AgentErrorEvent" | "ConversationErrorEvent":
            return (gave(record.get("error") or record.get("detail"), id, failed=True),)
        case _:
            return ()


def _said(parts: object) -> tuple[AgentEvent, ...]:
    return tuple(event for part in tables(parts) for event in content(part))


OPENHANDS = AgentSpec(
    name="openhands",
    dialect="chat",
    command=openhands_command,
    summary=f"OpenHands {_VERSION}: a coding agent by All Hands",
    version=_VERSION,
    recipe=PythonRecipe(
        packages=(f"openhands=={_VERSION}",), python="3.12", lock=python_lock("openhands"), sources=("func-timeout",)
    ),
    check=("{prefix}/bin/python", "-c", "import openhands_cli"),
    requires=("bash",),
    delivery="command",
    model_format="openai/{model}",
    quiet={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENHANDS_SUPPRESS_BANNER": "1"},
    approvals={"all_tools": ("--always-approve",)},
    approve=("all_tools",),
    exit_code_lies=True,
    events=openhands_events,
    streams=False,
    timeouts=(Timeout(what="a reply", seconds=600, lifted=False),),
    proof="proved",
)
