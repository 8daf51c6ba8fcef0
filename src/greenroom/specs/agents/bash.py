"""The reference agent that ships with greenroom: nothing to install, readable in one sitting."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from greenroom.specs.agent import AgentSpec, Invocation, Launch, Timeout
from greenroom.specs.agents.bash_events import bash_events

_PROGRAM = ".greenroom/bash_agent.py"
_COMMAND_SECONDS = 120.0


@cache
def _source() -> str:
    return (files("greenroom.specs.agents") / "bash_program.py").read_text(encoding="utf-8")


def bash_command(launch: Launch) -> Invocation:
    """Run the program from a file in the home directory, isolated from whatever Python code the task holds."""
    # The turn limit is not passed on: the server ends a conversation politely, which counts as finished.
    return Invocation(
        argv=(launch.python, "-I", "-S", f"{launch.home}/{_PROGRAM}"),
        env={
            "OPENAI_BASE_URL": launch.base_url,
            "OPENAI_API_KEY": launch.api_key,
            "OPENAI_MODEL": launch.model,
            "BASH_AGENT_REPLY_SECONDS": str(launch.reply_seconds),
            "BASH_AGENT_COMMAND_SECONDS": str(min(_COMMAND_SECONDS, launch.seconds)),
        },
        files={_PROGRAM: _source()},
    )


BASH = AgentSpec(
    name="bash",
    dialect="chat",
    command=bash_command,
    requires=("python3",),
    events=bash_events,
    streams=False,
    turn_limit="advisory",
    timeouts=(Timeout(what="a reply", seconds=3600, lifted=True),),
    proof="proved",
    summary="reference agent: one shell tool, plain Python, nothing to install",
)
