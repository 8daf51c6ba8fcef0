"""P6: of a system that was left nothing remains: no task, no timer, no name, no group, and in the end no zombie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.journal import Journal
    from tests.simulation.stage import Stage


def check_left(journal: Journal, stage: Stage) -> None:
    """At once after leaving: only zombies are still there, since nobody can make them go."""
    zombies = {life.path for life in journal.lives.all if life.zombie}
    tasks = sorted(name for name in stage.tasks.alive.values() if name.partition(" ")[0] not in zombies)
    found = {
        "tasks": tasks,
        "names": sorted(stage.cells),
        "groups": sorted(stage.groups),
        "timers": _timers(stage),
    }
    for what, names in found.items():
        if names:
            journal.breach("P6", f"{what} remain: {', '.join(names)}")


def check_gone(journal: Journal, stage: Stage) -> None:
    """Later, when the last zombie must have come to its end: nothing at all."""
    check_left(journal, stage)
    remaining = sorted(stage.tasks.alive.values()) + ["a zombie"] * len(stage.zombies)
    if remaining:
        journal.breach("P6", f"zombies never went: {', '.join(remaining)}")


def check_running(journal: Journal, stage: Stage) -> None:
    """While it runs and rests: only the living have tasks, timers, groups and a name."""
    living = {path for path, cell in stage.cells.items() if not cell.closed}
    zombies = {life.path for life in journal.lives.all if life.zombie}
    found = {
        "tasks": {name.partition(" ")[0] for name in stage.tasks.alive.values()} - living - zombies,
        "names": set(stage.cells) - living,
        "members": {cell.path for members in stage.groups.values() for cell in members if cell.closed},
    }
    for what, names in found.items():
        if names:
            journal.breach("P6", f"{what} of the dead remain: {', '.join(sorted(names))}")


def _timers(stage: Stage) -> list[str]:
    # The wheel's timers stay until they are due, with nothing to do; the event loop is asked for none of them.
    calls = [timer.call for _, _, timer in stage.timers._heap]
    return [_name(call) for call in calls if call is not None and not _name(call).startswith("Wheel.")]


def _name(call: Callable[[], Any]) -> str:
    return call.__qualname__
