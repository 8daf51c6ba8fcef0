"""A small cast for the kernel's tests: actors that write down what happens to them, and do as they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from msgspec import Struct

from greenroom.kernel import Actor, Call, ChildSpec, Exit, Ref, System, on


class Say(Struct, frozen=True):
    """Write this down."""

    text: str


class Crash(Struct, frozen=True):
    """Raise."""

    text: str = "told to"


class Leave(Struct, frozen=True):
    """Stop by yourself."""

    exit: Exit | None = None


class Hang(Struct, frozen=True):
    """Wait for ever in the handler."""


class Heard(Call[list[str]], frozen=True):
    """What this incarnation was told to write down."""


class Wait(Call[float], frozen=True):
    """Wait in the handler, and answer with the time."""

    seconds: float


class CrashNow(Call[None], frozen=True):
    """Raise with the call in hand."""


class Player(Actor):
    """Writes its starts, ends and words into a log that outlives it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.heard: list[str] = []

    async def started(self) -> None:
        self.log.append(f"{self.name} starts")

    async def stopped(self, exit: Exit) -> None:
        self.log.append(f"{self.name} stops: {type(exit).__name__}")

    @on(Say)
    def say(self, message: Say) -> None:
        self.heard.append(message.text)

    @on(Crash)
    def crash(self, message: Crash) -> None:
        raise LookupError(message.text)

    @on(CrashNow)
    def crash_now(self, _: CrashNow) -> None:
        raise LookupError("with a call in hand")

    @on(Leave)
    def leave_now(self, message: Leave) -> None:
        self.stop(message.exit)

    @on(Hang)
    async def hang(self, _: Hang) -> None:
        await anyio.sleep_forever()

    @on(Heard)
    def tell(self, _: Heard) -> list[str]:
        return self.heard

    @on(Wait)
    async def wait(self, message: Wait) -> float:
        await anyio.sleep(message.seconds)
        return anyio.current_time()


def player(name: str, log: list[str], **fields: Any) -> ChildSpec:  # noqa: ANN401
    """The spec of a `Player`."""
    return ChildSpec(name, lambda: Player(name, log), **fields)


def temporary(start: Callable[[], Actor], id: str = "it", **fields: Any) -> ChildSpec:  # noqa: ANN401
    """A child that is never restarted."""
    return ChildSpec(id, start, restart="temporary", **fields)


async def ask(outcomes: list[object], ref: Ref, message: Call[Any], timeout: float = 1000.0) -> None:
    """Call, and keep the answer or the error."""
    try:
        outcomes.append(await ref.call(message, timeout))
    except Exception as error:  # noqa: BLE001 - it is what is to be seen
        outcomes.append(error)


def paths(system: System) -> list[str]:
    """Paths of all live actors below the root."""
    return [row.path for row in system.tree() if row.path != "/"]
