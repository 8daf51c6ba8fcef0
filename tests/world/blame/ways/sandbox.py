"""Ways of sandboxes to fail."""

from __future__ import annotations

from greenroom.specs import Artifact
from tests.world.blame.case import Case, Deed
from tests.world.blame.deeds import sandbox_killed, second_sandbox_killed
from tests.world.blame.scene import Scene
from tests.world.blame.simulated import Memory


def refused(what: str) -> Deed:
    """The simulated host does no such thing any more."""

    async def deed(scene: Scene) -> None:
        assert isinstance(scene.place, Memory)
        scene.place.refuse(what)

    return deed


CASES = (
    Case(name="killed while it boots", of="sandbox", phase="boot", deed=sandbox_killed, cause="sandbox_failed"),
    Case(name="killed in set-up", of="sandbox", phase="setup", deed=sandbox_killed, cause="sandbox_failed"),
    Case(name="killed with its agent", of="sandbox", phase="agent", deed=sandbox_killed, cause="sandbox_failed"),
    Case(name="killed in verification", of="sandbox", phase="verify", deed=sandbox_killed, cause="sandbox_failed"),
    Case(
        name="killed in an isolated verification",
        of="sandbox",
        phase="verify",
        deed=second_sandbox_killed,
        cause="sandbox_failed",
        task={"verifier": "isolated", "verify": ("sleep 5", "test -f done"), "artifacts": (Artifact(source="done"),)},
    ),
    Case(
        name="no program starts, from set-up on",
        of="sandbox",
        phase="setup",
        deed=refused("start"),
        cause="sandbox_failed",
        on=("simulated",),
    ),
    Case(
        name="no program starts, once the agent is there",
        of="sandbox",
        phase="agent",
        deed=refused("start"),
        cause="sandbox_failed",
        on=("simulated",),
    ),
    Case(
        name="no file can be written, from the boot on",
        of="sandbox",
        phase="boot",
        deed=refused("write"),
        cause="sandbox_failed",
        task={"files": {"a": "b"}},
        on=("simulated",),
    ),
    Case(
        name="no file can be written, once the agent is there",
        of="sandbox",
        phase="agent",
        deed=refused("write"),
        cause="sandbox_failed",
        task={"verify_files": {"a": "b"}},
        on=("simulated",),
    ),
    Case(
        name="its programs cannot be ended",
        of="sandbox",
        phase="agent",
        deed=refused("quiesce"),
        cause="sandbox_failed",
        on=("simulated",),
    ),
)
