"""The tree of one attempt: children that live and die together."""

from __future__ import annotations

from functools import partial

from greenroom.actors.agent import Agent
from greenroom.actors.mailbox import Mailbox
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.sandbox import Sandbox
from greenroom.actors.stage import Stage
from greenroom.actors.verifier import Verifier
from greenroom.kernel import ChildSpec, Supervisor

_CLOSE_SECONDS = 20.0


def attempt(stage: Stage, plan: AttemptPlan) -> ChildSpec:
    """One attempt. Each child needs only those before it; the verifier's end is the attempt's.

    Nothing is ever restarted in here: one failure ends the attempt, with the failure as its exit.
    """
    own = partial(Sandbox, stage, plan, verifiers=True)
    isolated = (ChildSpec("verifier-sandbox", own, restart="transient", shutdown=_CLOSE_SECONDS),)
    children = (
        ChildSpec("mailbox", partial(Mailbox, stage, plan), restart="transient"),
        ChildSpec("sandbox", partial(Sandbox, stage, plan), restart="transient", shutdown=_CLOSE_SECONDS),
        *(isolated if plan.task.verifier == "isolated" else ()),
        ChildSpec("agent", partial(Agent, stage, plan), restart="transient"),
        ChildSpec("verifier", partial(Verifier, plan), restart="transient", significant=True),
    )
    tree = partial(Supervisor, children, strategy="one_for_all", intensity=0, auto_shutdown="any_significant")
    return ChildSpec(f"attempt-{plan.number}", tree, restart="temporary")
