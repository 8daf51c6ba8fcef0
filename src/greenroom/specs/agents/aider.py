"""aider: edits files from blocks in the model's text, through litellm; it offers the model no tools."""

from __future__ import annotations

from greenroom.specs.agent import AgentSpec, Invocation, Launch, PythonRecipe, Timeout
from greenroom.specs.agents.lock import python_lock

_VERSION = "0.86.2"
_HISTORY = ".aider/chat.md"


def aider_command(launch: Launch) -> Invocation:
    """One message from a file. What it would leave in the work directory goes to its home."""
    home = f"{launch.home}/.aider"
    return Invocation(
        argv=(
            *(f"{launch.prefix}/bin/aider", "--model", launch.model, *launch.approvals),
            *("--message-file", launch.instruction_file, "--timeout", f"{max(1.0, launch.reply_seconds):.0f}"),
            *("--chat-history-file", f"{launch.home}/{_HISTORY}", "--input-history-file", f"{home}/input"),
            *("--no-git", "--no-gitignore", "--no-pretty", "--no-fancy-input", "--no-detect-urls"),
            *("--no-show-model-warnings", "--no-show-release-notes", "--no-check-update", "--no-analytics"),
        ),
        env={"OPENAI_API_KEY": launch.api_key, "OPENAI_API_BASE": launch.base_url},
        files={".aider/made": ""},
    )


AIDER = AgentSpec(
    name="aider",
    dialect="chat",
    command=aider_command,
    summary=f"aider {_VERSION}: edits from the model's text, no tools",
    version=_VERSION,
    recipe=PythonRecipe(packages=(f"aider-chat=={_VERSION}",), lock=python_lock("aider")),
    check=("{prefix}/bin/python", "-c", "import aider"),
    delivery="file",
    model_format="openai/{model}",
    quiet={"AIDER_ANALYTICS_DISABLE": "true", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    approvals={"all_questions": ("--yes-always",)},
    approve=("all_questions",),
    exit_code_lies=True,
    artifacts=(_HISTORY,),
    timeouts=(Timeout(what="a reply", seconds=600, lifted=True),),
    proof="known",
)
