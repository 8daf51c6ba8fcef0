"""How one attempt at a task becomes a command line: the spec's data around what its command builds. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from greenroom.specs.agent import AgentSpec, Invocation, Launch

INSTRUCTION_FILE = ".greenroom/instruction.md"
"""Relative to the home directory."""


def invocation(spec: AgentSpec, launch: Launch) -> Invocation:
    """What is run for ``launch``. Whatever the spec's command raises comes through.

    Args:
        spec: The agent.
        launch: What is known of the attempt; what the spec has to say of it is filled in here.
    """
    told = _told(spec, launch)
    built = spec.command(told)
    files = {**spec.files, **built.files}
    if spec.delivery == "file":
        files[told.instruction_file] = launch.instruction
    return replace(
        built,
        env={**spec.env, **spec.quiet, **built.env},
        files=files,
        stdin=launch.instruction if spec.delivery == "stdin" else built.stdin,
    )


def _told(spec: AgentSpec, launch: Launch) -> Launch:
    return replace(
        launch,
        instruction_file=f"{launch.home.rstrip('/')}/{INSTRUCTION_FILE}" if spec.delivery == "file" else "",
        model=spec.model_format.replace("{model}", launch.model),
        approvals=tuple(argument for name in spec.approve for argument in spec.approvals[name]),
        mcp_servers=spec.mcp_servers,
    )
