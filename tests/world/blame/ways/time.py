"""Ways of time to be up, to stand still and to jump."""

from __future__ import annotations

from greenroom.messages import Phase
from tests.world.blame.case import Case, Deed
from tests.world.blame.deeds import DAY, clock_moved, paused
from tests.world.blame.scene import Scene
from tests.world.blame.simulated import Memory


def stuck(what: str) -> Deed:
    """The simulated host is asked for it, and never answers."""

    async def deed(scene: Scene) -> None:
        assert isinstance(scene.place, Memory)
        scene.place.hold(what)

    return deed


_PHASES: tuple[Phase, ...] = ("boot", "setup", "agent", "verify")

CASES = (
    Case(
        name="set-up takes too long",
        of="time",
        cause="setup_failed",
        task={"setup": ("sleep 50",), "setup_timeout": 1.0},
        often=("always",),
    ),
    Case(
        name="set-up takes as long as the deadline leaves",
        of="time",
        cause="setup_failed",
        task={"setup": ("sleep 50",), "deadline": 10.0, "verify_timeout": 5.0},
        often=("always",),
    ),
    Case(
        name="verification takes too long",
        of="time",
        cause="verify_timeout",
        task={"verify": ("sleep 50",), "verify_timeout": 1.0},
        often=("always",),
    ),
    Case(
        name="a boot takes longer than the deadline leaves",
        of="time",
        phase="boot",
        deed=stuck("boot"),
        cause="sandbox_failed",
        attempts=1,
        task={"deadline": 100.0, "verify_timeout": 50.0},
        often=("once",),
        on=("simulated",),
    ),
    Case(
        name="the deadline passes in set-up",
        of="time",
        phase="boot",
        deed=stuck("write"),
        cause="deadline_in_setup",
        task={"deadline": 100.0, "files": {"a": "b"}},
        often=("once",),
        on=("simulated",),
    ),
    Case(
        name="the deadline passes while the agent is ended",
        of="time",
        phase="agent",
        deed=stuck("quiesce"),
        cause="deadline_in_agent",
        task={"deadline": 50.0, "agent_timeout": 50.0, "verify_timeout": 5.0},
        agent="hangs",
        often=("once",),
        on=("simulated",),
    ),
    Case(
        name="the deadline passes in verification",
        of="time",
        phase="agent",
        deed=stuck("write"),
        cause="deadline_in_verify",
        task={"deadline": 100.0, "verify_files": {"a": "b"}},
        often=("once",),
        on=("simulated",),
    ),
    Case(
        name="the engine pauses for longer than the agent has",
        of="time",
        deed=paused(50.0),
        cause="finished",
        task={"agent_timeout": 40.0},
        often=("once",),
        on=("simulated",),
    ),
    *(
        Case(
            name=f"the engine pauses from {phase} on",
            of="time",
            phase=phase,
            deed=paused(60.0),
            cause="finished",
            often=("once",),
            on=("simulated",),
        )
        for phase in _PHASES
    ),
    *(
        Case(
            name=f"the wall clock goes {where} in {phase}",
            of="time",
            phase=phase,
            deed=clock_moved(seconds),
            cause="finished",
            often=("once",),
        )
        for where, seconds in (("forward", DAY), ("back", -DAY))
        for phase in _PHASES
    ),
)
