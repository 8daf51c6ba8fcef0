"""Schedules that once broke a promise, as small as they got. They are played first, on every backend.

A failing schedule prints its smallest plan: give it a name that says what went wrong, and put it here.
"""

from __future__ import annotations

from math import inf

from greenroom.kernel import Backoff
from tests.simulation.plan import Act, Branch, Deed, Fault, Leaf, Plan

_JOB = Deed("job", amount=0.5)
_NOTHING = Deed("call", "/nobody", 1.0)
"""Fails at once, without having waited for anything: a handler that does this is a coroutine."""

REGRESSIONS = {
    "a sender waited for room that was there": Plan(
        1,
        (Leaf("a", mailbox=1, overflow="block"),),
        (Act(3.0, "burst", "/a", 5),),
    ),
    "blocked senders were let in out of order": Plan(
        1,
        (Leaf("a", mailbox=4, overflow="block"),),
        (Act(0.5, "burst", "/a", 5, deeds=(_NOTHING, Deed("become", amount=1.0))), Act(1.0, "call", "/a")),
    ),
    "calls expired in an order of chance": Plan(
        1,
        (Leaf("a"),),
        (Act(1.0, "burst", "/a", 20, 1.0, (Deed("defer", amount=inf),)),),
    ),
    "a bounded mailbox lost the result of a job": Plan(
        1,
        (Leaf("a", mailbox=1),),
        (
            Act(1.0, "cast", "/a", deeds=(_JOB,)),
            Act(1.4, "cast", "/a", deeds=(Deed("sleep", amount=1.0),)),
            Act(1.45, "cast", "/a"),
        ),
    ),
    "a bounded mailbox lost a timer": Plan(
        1,
        (Leaf("a", mailbox=1),),
        (Act(1.0, "call", "/a", 5, deeds=(Deed("timer", amount=0.5),)),),
    ),
    "a bounded mailbox lost a Down": Plan(
        1,
        (Leaf("a"), Leaf("b", mailbox=2)),
        (Act(1.0, "call", "/b", 5, deeds=(Deed("monitor", "/a"),)), Act(2.0, "stop", "/a")),
    ),
    "a job that ignored its cancellation delivered its result": Plan(
        1,
        (Leaf("a"),),
        (Act(1.0, "cast", "/a", deeds=(Deed("job", amount=0.5, deeds=(Deed("drop"),)),)),),
    ),
    "what a job's result was to become raised, and nobody was told": Plan(
        1,
        (Leaf("a"),),
        (Act(1.0, "cast", "/a", deeds=(_JOB,)),),
        (Fault("then_crash", "/a"),),
    ),
    "an actor was buried before its stubborn job": Plan(
        1,
        (Branch("a", (Leaf("b"),), intensity=5),),
        (Act(1.0, "call", "/a/b", 2, deeds=(_JOB,)),),
        (Fault("job_crash", "/a/b", 2), Fault("job_stubborn", "/a/b", amount=60.0)),
    ),
    "a zombie waited for its stubborn job for ever": Plan(
        1,
        (Branch("a", (Leaf("b", shutdown="brutal"),)),),
        (Act(1.0, "cast", "/a/b", deeds=(Deed("job"),)), Act(2.0, "stop", "/a/b")),
        (Fault("job_stubborn", "/a/b", amount=60.0),),
    ),
    "a job begun while its actor ended was not cancelled": Plan(
        3,
        (Leaf("a"),),
        (
            Act(1.0, "call", "/a", deeds=(Deed("job"),)),
            Act(1.0, "cast", "/a", deeds=(Deed("stop"), Deed("job", deeds=(_JOB,)))),
        ),
    ),
    "a zombie set a timer": Plan(
        1,
        (Leaf("a"),),
        (Act(1.0, "call", "/a", deeds=(Deed("timer", amount=600.0), _NOTHING)),),
        (Fault("stubborn", "/a", amount=60.0),),
        leave=2.0,
    ),
    "a zombie joined a group": Plan(
        1,
        (Leaf("a"),),
        (Act(1.0, "call", "/a", deeds=(Deed("join", "red"), _NOTHING)),),
        (Fault("stubborn", "/a", amount=60.0),),
        leave=2.0,
    ),
    "what a zombie said was heard": Plan(
        1,
        (Leaf("a", lifetime=8.0), Leaf("b")),
        (Act(2.0, "call", "/a", deeds=(Deed("cast", "/b"), _NOTHING)),),
        (Fault("stubborn", "/a", amount=60.0),),
    ),
    "killing everything put off what was struck before": Plan(
        1,
        (Leaf("a", shutdown=inf),),
        faults=(Fault("stop_stubborn", "/a", amount=60.0),),
    ),
    "the first cause was forgotten when the clean-up took too long": Plan(
        1,
        (Branch("a", (Leaf("b", lifetime=1.0),), intensity=1000),),
        faults=(Fault("stop_stubborn", "/a/b", amount=60.0),),
    ),
    "an actor that ended by itself was killed for what its supervisor may do": Plan(
        1,
        (Branch("a", (Leaf("b", shutdown="brutal"),), intensity=5),),
        (Act(6.5, "call", "/a/b", deeds=(Deed("job", amount=2.5),)), Act(8.0, "call", "/a/b", deeds=(Deed("stop"),))),
    ),
    "a supervisor that was killed left its children's names taken": Plan(
        1,
        (Branch("a", (Branch("b", (Leaf("c"),)),)),),
        faults=(Fault("kill", "/a", amount=2.0),),
    ),
    "a supervisor that was cancelled by a stranger did not wait for its children": Plan(
        1,
        (Branch("a", (Leaf("b"),)),),
        (Act(0.5, "cast", "/a/b", deeds=(Deed("sleep", amount=1.0),)),),
        (Fault("kill", "/a", amount=1.0), Fault("foreign_step", nth=5)),
    ),
    "a supervisor that was given up left its children's names taken": Plan(
        1,
        (Branch("a", (Leaf("b"), Leaf("c")), shutdown=1.0),),
        (Act(3.0, "cast", "/a/c", deeds=(_JOB, Deed("sleep", amount=5.0))),),
        (
            Fault("stop_stubborn", "/a", amount=60.0),
            Fault("kill", "/a/b", amount=3.5),
            Fault("kill", "/a/b", amount=4.0),
        ),
        fence_after=0.5,
    ),
    "an actor was given up before it could obey": Plan(
        5,
        (Branch("a", (Leaf("b", shutdown="brutal"),), intensity=5),),
        faults=(Fault("foreign_step", nth=1), Fault("foreign_step", nth=2), Fault("foreign_step", nth=3)),
    ),
    "a call that nobody waited for any more made a cycle": Plan(
        3,
        (Leaf("a"), Leaf("b")),
        (
            Act(1.0, "call", "/b", deeds=(Deed("call", "/a", 5.0),)),
            Act(0.5, "call", "/a", deeds=(Deed("call", "/b", 1.0, (Deed("defer", amount=0.5),)),)),
        ),
    ),
    "two that waited for each other took along whoever called one of them": Plan(
        1,
        (Branch("a", (Leaf("b"), Leaf("c"))),),
        (
            Act(1.0, "cast", "/a/b", deeds=(Deed("dismiss", "/a/b", 30.0),)),
            Act(1.5, "cast", "/a/c", deeds=(Deed("call", "/a/b", 5.0),)),
        ),
    ),
    "a bounded supervisor could not tell itself to try again": Plan(
        1,
        (Branch("a", (Leaf("b", start_timeout=2.0),), intensity=5, mailbox=1),),
        (Act(1.0, "stop", "/a/c", timeout=30.0),),
        (Fault("kill", "/a/b", amount=0.5), Fault("start_hang", "/a/b", 2)),
    ),
    "a child came back before the one it depends on": Plan(
        1,
        (
            Branch(
                "a",
                (Leaf("b", lifetime=1.0), Leaf("c", lifetime=0.8)),
                "rest_for_one",
                1000,
                backoff=Backoff(0.5, 2.0, 5.0, 0.0),
            ),
        ),
        leave=10.0,
    ),
    "a child came back beside one that was started out of order": Plan(
        1,
        (Branch("a", (Leaf("b", lifetime=1.0),), "rest_for_one", 1000, backoff=Backoff(2.0, 2.0, 5.0, 0.5)),),
        (Act(2.0, "start", "/a/new", node=Leaf("new")),),
    ),
}
