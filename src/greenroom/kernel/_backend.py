"""The few things the kernel needs from an event loop, so that asyncio and trio differ in one small file each.

Tasks are flat: every actor and every background job is one task of the system, none is a child of another. A crash can
then never cancel a sibling, and the tree is data. (Nested task groups would also cost ten times as much.)
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Protocol


class Sleeper(Protocol):
    """Anything a task can sleep on: it has room for the one task that does."""

    waiter: Any


class Scope(Protocol):
    """A cancel scope, anyio's or the event loop's own: they nest, and mean the same."""

    @property
    def cancel_called(self) -> bool:
        """Whether it was cancelled, or its deadline is over."""
        ...

    def cancel(self) -> None:
        """Cancel what runs in it, and what will."""
        ...

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> bool | None: ...


class Backend(Protocol):
    """An event loop, as the kernel sees it. All methods belong to the loop's own thread."""

    new_scope: Callable[..., Scope]
    """Makes what anyio's ``CancelScope`` stands for here, without the detour: it is a tenth of an actor's life."""

    def park(self, sleeper: Sleeper) -> Awaitable[None]:
        """Sleep until woken or cancelled. At most one task at a time sleeps on one sleeper."""
        ...

    def wake(self, sleeper: Sleeper) -> None:
        """Wake the task that sleeps there; nothing, if nobody does."""
        ...

    def now(self) -> float:
        """Seconds on the loop's clock."""
        ...

    def current_task(self) -> object:
        """Identity of the running task."""
        ...

    def spawn(
        self, main: Callable[[], Coroutine[Any, Any, None]], name: str, ended: Callable[[object], None]
    ) -> object:
        """Run ``main`` as a task of its own; ``ended`` is called when it is over, even if it never ran.

        Returns the task, which the caller has to keep: event loops hold tasks weakly.
        """
        ...

    def alarm(self, when: float) -> None:
        """Call `on_alarm` at ``when`` instead of at any earlier set time; infinity sets it off."""
        ...

    on_alarm: Callable[[], None]

    def call_from_thread(self, call: Callable[[], object]) -> bool:
        """Have the loop make a call soon, from any thread; False if the loop is closed."""
        ...

    async def close(self) -> None:
        """Release what the backend itself holds."""
        ...


def current_backend() -> Backend:
    """The backend of the running event loop."""
    # trio is only ever asked for when somebody has already imported it: asyncio users never load it.
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        from greenroom.kernel._trio import TrioBackend

        return TrioBackend()
    from greenroom.kernel._asyncio import AsyncioBackend

    return AsyncioBackend()
