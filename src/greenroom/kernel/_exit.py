"""How an actor ended, as a value. Exits are never raised; they travel between actors as messages.

The words are OTP's: ``Normal`` and ``Shutdown`` are the ends that were wanted, all others are abnormal. A transient
child is restarted after an abnormal exit only.
"""

from __future__ import annotations

import traceback
from typing import Any, ClassVar

from msgspec import Struct

_TRACEBACK_LIMIT = 8 * 1024


class Exit(Struct, frozen=True):
    """Base of all exits."""

    abnormal: ClassVar[bool] = True


class Normal(Exit, frozen=True):
    """It had nothing more to do."""

    abnormal: ClassVar[bool] = False


class Shutdown(Exit, frozen=True):
    """It was asked to stop, or is a supervisor that gave up; ``info`` says why.

    It is an `Escalation` if it gave up, and an `Exit` if it was stopped because a supervisor above it ended so.
    """

    info: Any = None

    abnormal: ClassVar[bool] = False


class Killed(Exit, frozen=True):
    """It was cancelled: at once, or because it did not stop within its grace."""


class NoProc(Exit, frozen=True):
    """There was no such actor: nobody held the name that was to be linked or monitored."""


class TimedOut(Exit, frozen=True):
    """Its time was up; ``what`` names the budget."""

    what: str


class Crashed(Exit, frozen=True):
    """It raised."""

    exception: BaseException
    message: str = ""
    """Type of the message in hand, or the name of the callback or job that raised."""

    @property
    def traceback(self) -> str:
        """Where it raised, the last 8 KiB of it. Made when it is asked for: most crashes are never read."""
        return "".join(traceback.format_exception(self.exception))[-_TRACEBACK_LIMIT:]

    def __repr__(self) -> str:
        return f"Crashed({self.exception!r} on {self.message})"


class Escalation(Struct, frozen=True):
    """Why a supervisor gave up: one child failed more often than allowed. The root cause travels as a value."""

    child: str
    exit: Exit


class ForeignCancel(Exception):
    """Somebody outside the kernel cancelled an actor's task. Not a clean stop, so it is treated as a crash."""
