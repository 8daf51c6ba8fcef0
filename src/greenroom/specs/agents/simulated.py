"""The agent of simulated sandboxes: no program, just model calls some time apart."""

from __future__ import annotations

from greenroom.specs.agent import AgentSpec, Invocation, Launch


def _command(launch: Launch) -> Invocation:
    return Invocation(
        argv=("simulated-agent",),
        env={
            "OPENAI_BASE_URL": launch.base_url,
            "OPENAI_API_KEY": launch.api_key,
            "OPENAI_MODEL": launch.model,
        },
    )


SIMULATED = AgentSpec(
    name="simulated",
    dialect="chat",
    command=_command,
    may_be_silent=True,  # Simulated(turns=0)
    streams=False,
    writes_home=False,
    proof="proved",
    summary="makes model calls in simulated sandboxes; runs nowhere else",
)
"""Works only with ``sandbox=Simulated(...)``."""
