"""Ways of the store to fail."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress

from greenroom.messages import Phase
from tests.world.blame.case import Case
from tests.world.blame.deeds import store_unavailable
from tests.world.blame.scene import Scene

_PHASES: tuple[Phase, ...] = ("boot", "setup", "agent", "verify")


async def disk_full(scene: Scene) -> None:
    """The disk on which the run is kept fills up, and has space again once the rollout is over."""
    hog = scene.directory / "run" / "hog"
    with suppress(OSError), hog.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    await _until_over(scene)
    hog.unlink()


async def locked(scene: Scene) -> None:
    """Somebody else holds the database until the rollout is over."""
    with closing(sqlite3.connect(scene.directory / "run" / "run.db")) as database:
        database.execute("BEGIN IMMEDIATE")
        await _until_over(scene)


async def deleted(scene: Scene) -> None:
    """Somebody deletes what the run has kept."""
    shutil.rmtree(scene.directory / "run", ignore_errors=True)


async def _until_over(scene: Scene) -> None:
    scene.struck[scene.attempt].set()
    await scene.place.spare(scene)
    await scene.attempt_over()


CASES = (
    *(
        Case(
            name=f"{what} from {phase} on, until the rollout is over",
            of="store",
            phase=phase,
            deed=deed,
            cause="finished",
            often=("once",),
            needs=("root",),
            on=("local",),
        )
        for what, deed in (("disk full", disk_full), ("database locked", locked))
        for phase in _PHASES[1:]
    ),
    Case(name="deleted", of="store", deed=deleted, cause="finished", often=("once",), on=("local",)),
    *(
        Case(
            name=f"unavailable from {phase} until the rollout is over",
            of="store",
            phase=phase,
            deed=store_unavailable,
            cause="finished",
            often=("once",),
            on=("simulated",),
        )
        for phase in _PHASES
    ),
)
