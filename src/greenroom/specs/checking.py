"""The agents that check tasks: ``oracle`` applies a task's own solution, ``nop`` does nothing. Neither has a model."""

from __future__ import annotations

from greenroom.specs.agent import AgentSpec, Invocation, Launch
from greenroom.specs.environment import Solution

_EACH = 'for command; do /bin/sh -c "$command" || exit $?; done'


def _solve(launch: Launch) -> Invocation:
    # An attempt at a task without a solution has failed before it gets here.
    solution = launch.solution or Solution(commands=())
    return Invocation(argv=("/bin/sh", "-c", _EACH, "oracle", *solution.commands), env=dict(solution.env))


def _nothing(_: Launch) -> Invocation:
    return Invocation(argv=("/bin/sh", "-c", ":"))


ORACLE = AgentSpec(
    name="oracle",
    dialect="chat",
    command=_solve,
    solves=True,
    may_be_silent=True,
    proof="proved",
    summary="applies the task's own solution; checks that it can be solved",
)
NOP = AgentSpec(
    name="nop",
    dialect="chat",
    command=_nothing,
    may_be_silent=True,
    proof="proved",
    summary="does nothing; checks that a task is not passed by that",
)
CHECKING = (ORACLE, NOP)
