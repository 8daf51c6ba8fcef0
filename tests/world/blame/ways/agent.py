"""Failures of the agent's own, alone and together with one that is not."""

from __future__ import annotations

from greenroom.interception import ModelError
from tests.world.blame.case import Case
from tests.world.blame.deeds import killed, sandbox_killed
from tests.world.blame.ways.model import failing, raises
from tests.world.blame.ways.server import REAL, troubled
from tests.world.models.server import said

_PASSING = failing(raises(ModelError("unavailable", "come back later")))

CASES = (
    Case(name="fails", of="agent", agent="fails", cause="agent_exit", often=("always",)),
    Case(
        name="does not end in its time",
        of="agent",
        agent="hangs",
        cause="agent_timeout",
        task={"agent_timeout": 30.0},
        often=("always",),
        on=("simulated",),
    ),
    Case(
        name="fails, and its sandbox is killed in verification",
        of="agent",
        agent="fails",
        phase="verify",
        deed=sandbox_killed,
        cause="sandbox_failed",
        often=("always",),
    ),
    Case(
        name="fails, and the verifier is killed",
        of="agent",
        agent="fails",
        phase="verify",
        deed=killed("{attempt}/verifier"),
        cause="verifier_crashed",
        often=("always",),
    ),
    Case(
        name="would not have ended, and its sandbox is killed",
        of="agent",
        agent="hangs",
        deed=sandbox_killed,
        cause="sandbox_failed",
        often=("always",),
        on=("simulated",),
    ),
    Case(
        name="would have failed, and its model fails before",
        of="agent",
        agent="fails",
        model=_PASSING,
        cause="model_failed",
        often=("always",),
    ),
    Case(
        name="uses up its turns, and its sandbox is killed",
        of="agent",
        phase="verify",
        deed=sandbox_killed,
        task={"max_turns": 1},
        cause="sandbox_failed",
        often=("always",),
    ),
    *(
        Case(name=name, of="agent", agent=agent, cause=cause, task=task, often=("always",), on=REAL)
        for name, agent, cause, task in (
            ("does not end in its time, its work done", "hangs", "agent_timeout", {"agent_timeout": 2.0}),
            ("hangs up, and does not end in its time", "leaves", "agent_timeout", {"agent_timeout": 2.0}),
            ("is killed with a call open", "killed", "agent_exit", {}),
            ("never calls its model", "silent", "agent_silent", {}),
        )
    ),
    Case(
        name="leaves something in the tests' way",
        of="agent",
        agent="obstructs",
        cause="verify_obstructed",
        task={"verify_files": {"in/way": "x"}},
        often=("always",),
        on=("local",),  # in a container, the tests take its place
    ),
    Case(
        name="ends well although its model never answered",
        of="agent",
        agent="careless",
        serve=troubled(said(503), since=0),
        cause="model_failed",
        often=("always",),
        on=REAL,
    ),
    Case(
        name="hangs up on a model that is silent, and does not end in its time",
        of="agent",
        agent="leaves",
        serve=troubled(None, since=0),
        cause="agent_timeout",
        task={"agent_timeout": 1.0},
        often=("always",),
        on=REAL,
    ),
    Case(
        name="runs out of its memory",
        of="agent",
        agent="greedy",
        cause="agent_exit",
        often=("always",),
        on=("docker",),
    ),
    Case(name="uses up its turns", of="agent", task={"max_turns": 1}, cause="turns_used_up", often=("always",)),
)
