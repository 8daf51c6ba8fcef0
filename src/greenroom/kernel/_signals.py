"""What travels on the system lane. Only the kernel sends these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from greenroom.kernel._exit import Exit
from greenroom.kernel._ref import Ref


class Stop(Struct, frozen=True):
    """End, after the message in hand."""

    exit: Exit


class Suspend(Struct, frozen=True):
    """Stop or go on looking at the user lane."""

    on: bool


class Replace(Struct, frozen=True):
    """Change the actor's state from outside, between two messages: for tests and repairs."""

    change: Callable[[Any], object]


class JobFailed(Struct, frozen=True):
    """A job of this actor raised."""

    job: Any
    error: BaseException


class Linked(Struct, frozen=True):
    """A linked actor ended."""

    ref: Ref
    exit: Exit


class ChildExited(Struct, frozen=True):
    """A child of this supervisor ended."""

    id: str
    cell: Any
    exit: Exit


class Down(Struct, frozen=True):
    """An actor that was monitored, or linked while exits are trapped, has ended."""

    ref: Ref
    exit: Exit
