"""A supervisor ``/top`` and its children, for the cases of OTP's own supervisor suite."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence
from typing import Any

import anyio

from greenroom.kernel import Actor, Call, ChildSpec, Exit, Ref, Supervisor, System
from greenroom.kernel._supervisor import Children
from tests.kernel.players import Crash, Leave, Player, player

ODD = Exit()
"""An abnormal end that is neither a crash nor a kill."""


class Planned(Player):
    """Its first starts go as planned."""

    def __init__(self, name: str, log: list[str], word: str) -> None:
        super().__init__(name, log)
        self.word = word

    async def started(self) -> None:
        if self.word == "ok":
            await super().started()
            return
        self.log.append(f"{self.name} {self.word}s")
        if self.word == "ignore":
            self.stop()
        else:
            raise RuntimeError("planned")

    async def stopped(self, exit: Exit) -> None:
        if self.word == "ok":
            await super().stopped(exit)


class Slow(Player):
    """Takes its time to stop."""

    def __init__(self, name: str, log: list[str], seconds: float) -> None:
        super().__init__(name, log)
        self.seconds = seconds

    async def stopped(self, exit: Exit) -> None:
        await anyio.sleep(self.seconds)
        await super().stopped(exit)


class Broken(Actor):
    """Never starts."""

    async def started(self) -> None:
        raise RuntimeError("broken")


def planned(name: str, log: list[str], plan: Iterable[str], **fields: Any) -> ChildSpec:  # noqa: ANN401
    """A player whose starts go as the words say, ``ok``, ``fail`` or ``ignore``, and well after the last word."""
    words = iter(plan)
    return ChildSpec(name, lambda: Planned(name, log, next(words, "ok")), **fields)


def slow(name: str, log: list[str], seconds: float, **fields: Any) -> ChildSpec:  # noqa: ANN401
    """A player that takes so many seconds to stop."""
    return ChildSpec(name, lambda: Slow(name, log, seconds), **fields)


def players(names: str, log: list[str], **fields: Any) -> list[ChildSpec]:  # noqa: ANN401
    """A player for each letter."""
    return [player(name, log, **fields) for name in names]


def top(children: Sequence[ChildSpec] = (), **options: Any) -> ChildSpec:  # noqa: ANN401
    """The supervisor under test."""
    return ChildSpec("top", lambda: Supervisor(children, **options), restart="temporary")


def for_the_stopped(id: str) -> list[Call[Any]]:
    """The calls that want a child that is stopped."""
    return [Supervisor.RestartChild(id), Supervisor.DeleteChild(id)]


def counts(system: System, path: str = "/top") -> tuple[int, int]:
    """Specs of a supervisor, and how many of its children run."""
    shown = children(system, path)
    return shown.specs, shown.active


def children(system: System, path: str = "/top") -> Children:
    """What a supervisor shows."""
    shown = system.inspect(path)
    assert shown is not None
    assert isinstance(shown.observed, Children)
    return shown.observed


def alive(system: System) -> list[str]:
    """Paths of the living, sorted, without the root."""
    return sorted(path for path in system.cells if path != "/")


async def end(system: System, path: str, how: Exit | str) -> None:
    """End whoever has this path: ``crash``, ``kill`` or the exit it is to leave with. Waits until all is quiet."""
    ref = system.lookup(path)
    if how == "kill":
        system.kill(ref)
    else:
        ref.cast(Leave(how) if isinstance(how, Exit) else Crash())
    await anyio.wait_all_tasks_blocked()


async def forget(supervisor: Ref) -> None:
    """Have nothing left that holds on to the past by accident: no timer set from it, no message handled last."""
    await anyio.sleep(60)
    await supervisor.call(Supervisor.StopChild("nobody"))
    gc.collect()
