"""Ways of the machine to fail below its local sandboxes."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import anyio.to_thread

from greenroom.messages import Phase
from tests.world.blame.case import Case
from tests.world.blame.local import Machine
from tests.world.blame.real import HELD
from tests.world.blame.scene import Scene

_PHASES: tuple[Phase, ...] = ("setup", "agent", "verify")


def machine(scene: Scene) -> Machine:
    """Where it is played."""
    assert isinstance(scene.place, Machine)
    return scene.place


async def removed(scene: Scene) -> None:
    """Somebody removes the sandbox's directories."""
    shutil.rmtree(machine(scene).sandbox(scene)._body.place.path, ignore_errors=True)
    await machine(scene).let_go(scene)


async def full(scene: Scene) -> None:
    """Somebody else fills the disk on which the sandbox is, until the attempt is over."""
    hog = machine(scene).root(scene) / "hog"
    with suppress(OSError), hog.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    await machine(scene).let_go(scene)
    scene.struck[scene.attempt].set()
    await scene.attempt_over()
    hog.unlink()


async def stopped(scene: Scene) -> None:
    """The sandbox's processes are stopped: nobody answers."""
    scene.patch.setattr("greenroom.sandboxes.local.sandbox.REQUEST_SECONDS", 1.0)
    for pid in await anyio.to_thread.run_sync(inhabitants, machine(scene).sandbox(scene)._body.place.workdir):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)


def inhabitants(directory: str) -> list[int]:
    """Processes that see it as a mount of their own."""
    found: list[int] = []
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        with suppress(OSError):
            if directory in mounts.read_text():
                found.append(int(mounts.parent.name))
    return found


CASES = (
    *(
        Case(
            name=f"directories removed in {phase}",
            of="sandbox",
            phase=phase,
            deed=removed,
            cause="sandbox_failed",
            on=("local",),
        )
        for phase in _PHASES
    ),
    *(
        Case(
            name=f"disk full in {phase}",
            of="sandbox",
            phase=phase,
            deed=full,
            cause="sandbox_failed",
            task={"verify": (HELD if phase == "verify" else "true", "head -c 200000 /dev/zero >out && test -f done")},
            needs=("root",),
            on=("local",),
        )
        for phase in _PHASES[1:]
    ),
    *(
        Case(
            name=f"stopped in {phase}",
            of="sandbox",
            phase=phase,
            deed=stopped,
            cause="sandbox_failed",
            task={"setup_timeout": 2.0, "agent_timeout": 2.0, "verify_timeout": 2.0},
            on=("local",),
        )
        for phase in _PHASES
    ),
)
