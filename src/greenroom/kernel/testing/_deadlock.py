"""A program that can only wait: the error, and where each of its tasks waits."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from types import FrameType


class Deadlock(BaseException):
    """Every task waits for something that nothing left in the program can bring about.

    Raised under virtual time instead of hanging: no task can run, no timer is set, no file descriptor is watched, no
    thread works. The text names each task and the lines it waits at. Like `KeyboardInterrupt` it ends the program from
    outside and is no `Exception`, so no ``except Exception`` on its way can take it for a failure of its own.
    """

    def __init__(self, tasks: Iterable[tuple[str, object]]) -> None:
        waiting = "".join(f"- {name}\n{''.join(await_stack(coroutine))}" for name, coroutine in tasks)
        super().__init__(f"deadlock in virtual time: these tasks wait for ever:\n{waiting}")


def await_stack(coroutine: object) -> list[str]:
    """The lines a suspended coroutine waits at, outermost first, formatted as in a traceback."""
    return traceback.format_list([_summary(frame) for frame in _frames(coroutine)])


def _summary(frame: FrameType) -> traceback.FrameSummary:
    return traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def _frames(awaiting: object) -> Iterator[FrameType]:
    while awaiting is not None:
        frame = _first(awaiting, "cr_frame", "ag_frame", "gi_frame")
        if isinstance(frame, FrameType):
            yield frame
        awaiting = _first(awaiting, "cr_await", "ag_await", "gi_yieldfrom")


def _first(owner: object, *names: str) -> object:
    return next((getattr(owner, name) for name in names if hasattr(owner, name)), None)
