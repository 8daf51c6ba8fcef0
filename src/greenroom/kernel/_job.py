"""Background work of an actor: a task of its own whose failure is the actor's failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenroom.kernel._crash import is_cancellation
from greenroom.kernel._exit import ForeignCancel

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from greenroom.kernel._backend import Scope
    from greenroom.kernel._cell import Cell


class Job:
    """Started with `Actor.run`. Ends with its actor at the latest."""

    __slots__ = ("_began", "_cell", "_scope", "_work", "error", "finished", "message", "name", "result", "task", "then")

    def __init__(
        self, cell: Cell, work: Coroutine[Any, Any, Any], then: Callable[[Any], object] | None, name: str
    ) -> None:
        self._cell = cell
        self._work = work
        self._scope: Scope = cell.system.new_scope()
        self.then = then
        self.name = name
        self.result: Any = None
        self.error: BaseException | None = None
        self.message: object = None
        self.task: object = None
        self.finished = False
        self._began = False

    def cancel(self) -> None:
        """Cancel the work; its ``then`` is not sent. Idempotent, does not wait."""
        self._scope.cancel()

    async def main(self) -> None:
        """The job's task. Never raises."""
        self._began = True
        try:
            with self._scope:
                self.result = await self._work
                # One that was cancelled and took no notice has no result all the same.
                self.finished = not self._scope.cancel_called
                self.message = self.then(self.result) if self.finished and self.then is not None else None
        except BaseException as error:  # noqa: BLE001 - handed to the actor, which crashes of it
            cancelled = is_cancellation(error)
            self.error = ForeignCancel(f"{self.name} was cancelled from outside the kernel") if cancelled else error

    def over(self, _: object) -> None:
        """The task has ended, or never began."""
        if not self._began:
            self.error = ForeignCancel(f"{self.name} was cancelled before it began")
        self._work.close()
        self._cell.job_over(self)
