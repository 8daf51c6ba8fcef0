from __future__ import annotations

import pytest

from greenroom.actors.circuits import Circuits
from greenroom.actors.plan import RolloutPlan
from greenroom.messages import Blame, Fault
from greenroom.specs import TaskSpec


def plan(number: int = 1, image: str = "x") -> RolloutPlan:
    """A rollout of an image."""
    task = TaskSpec(id="t", instruction="go")
    return RolloutPlan(
        rollout_id=f"r-{number}",
        task=task,
        sample=0,
        group="g",
        attempts=1,
        seconds=1.0,
        created="",
        queued_at=0.0,
        agent="codex",
        backend="docker",
        image=image,
    )


def fault(kind: str, blame: Blame = "sandbox") -> Fault:
    """Something that went wrong."""
    return Fault(blame=blame, kind=kind, message=f"it was {kind}", phase="boot")


def fail(circuits: Circuits, times: int, kind: str, blame: Blame = "sandbox", image: str = "x") -> None:
    """So many attempts, one after the other, that end like this before they did anything."""
    for number in range(times):
        it = plan(number, image)
        circuits.begin(it)
        if blame != "sandbox":
            circuits.booted(it)
        circuits.ended(it, fault(kind, blame), worked=False)


@pytest.mark.parametrize(
    ("kind", "blame", "image", "name"),
    [
        ("boot_failed", "sandbox", "x", "image:x"),
        ("image_missing", "sandbox", "x", "image:x"),
        ("deadline", "sandbox", "x", "image:x"),
        ("boot_failed", "sandbox", "", "backend:docker"),
        ("daemon_lost", "sandbox", "x", "backend:docker"),
        ("docker_unavailable", "sandbox", "", "backend:docker"),
        ("agent_not_started", "agent", "x", "agent:codex in x"),
        ("command_raised", "agent", "", "agent:codex in docker"),
    ],
)
def test_a_failure_counts_against_what_it_tells_of(kind: str, blame: Blame, image: str, name: str) -> None:
    """A boot counts against its image, unless the backend is to blame or there is none; a start, against the agent."""
    circuits = Circuits(lambda: 0.0)
    fail(circuits, 1, kind, blame, image)
    (row,) = circuits.rows()
    assert (row.name, row.state, row.failures, row.error) == (name, "closed", 1, f"it was {kind}")


@pytest.mark.parametrize(("kind", "blame"), [("setup_failed", "task"), ("agent_exit", "agent"), ("killed", "engine")])
def test_what_says_nothing_counts_for_nothing(kind: str, blame: Blame) -> None:
    """A failed set-up, an agent that failed, or an actor that crashed is no sign of a broken image."""
    circuits = Circuits(lambda: 0.0)
    fail(circuits, 50, kind, blame)
    assert list(circuits.rows()) == []


def test_a_sandbox_that_is_lost_is_no_failed_boot() -> None:
    """What happens to a sandbox after it booted does not speak against its image."""
    circuits = Circuits(lambda: 0.0)
    circuits.begin(plan())
    circuits.booted(plan())
    circuits.ended(plan(), fault("sandbox_lost"), worked=False)
    assert not circuits.troubled


def test_a_broken_image_is_refused() -> None:
    """After five failed boots, with whom it concerns and why, and nobody else."""
    circuits = Circuits(lambda: 0.0)
    fail(circuits, 4, "boot_failed")
    assert circuits.refusal(plan()) is None
    fail(circuits, 1, "boot_failed")
    refusal = circuits.refusal(plan())
    assert refusal is not None
    assert (refusal.cause, refusal.fault.kind, refusal.fault.blame) == ("sandbox_failed", "circuit_open", "sandbox")
    assert refusal.fault.message == (
        "image:x: the last 5 boots failed, so it is left alone for 30 s; the last one: it was boot_failed"
    )
    assert circuits.refusal(plan(image="y")) is None
    assert circuits.ready(plan(image="y"))


def test_an_agent_that_cannot_be_started_is_refused_where_it_cannot() -> None:
    """In one image, and not in another one."""
    circuits = Circuits(lambda: 0.0)
    fail(circuits, 8, "agent_not_started", "agent")
    refusal = circuits.refusal(plan())
    assert refusal is not None
    assert (refusal.cause, refusal.fault.kind, refusal.fault.blame) == ("agent_not_started", "circuit_open", "agent")
    assert circuits.refusal(plan(image="y")) is None


def test_a_broken_backend_is_waited_for() -> None:
    """Nobody is refused; nobody may begin until its rest is over, and then one."""
    now = 0.0
    circuits = Circuits(lambda: now)
    fail(circuits, 5, "daemon_lost")
    assert circuits.refusal(plan()) is None
    assert not circuits.ready(plan())
    trouble = circuits.trouble()
    assert trouble is not None
    assert (trouble[0], "backend:docker" in trouble[1]) == (30.0, True)
    now = 30.0
    assert circuits.trouble() is None
    assert circuits.ready(plan(1))
    circuits.begin(plan(1))
    assert not circuits.ready(plan(2))
    circuits.booted(plan(1))
    assert circuits.ready(plan(2))


def test_an_attempt_that_vanished_does_not_count_as_trying() -> None:
    """However an attempt ends, it makes room for another try."""
    circuits = Circuits(lambda: 0.0)
    for number in range(5):
        circuits.begin(plan(number))
    assert not circuits.ready(plan(6))
    circuits.forget("r-0")
    circuits.forget("r-0")
    assert circuits.ready(plan(6))
