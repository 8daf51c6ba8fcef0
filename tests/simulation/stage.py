"""The system that a simulation runs in: it writes down what the kernel tells, and lets faults strike between steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import anyio

from greenroom.kernel import CallError, Supervisor, System
from greenroom.kernel._events import EventKind
from tests.simulation.steps import Tasks

if TYPE_CHECKING:
    from tests.simulation.journal import Journal
    from tests.simulation.plan import Fault


class Stage(System):
    """A system under observation."""

    def __init__(self, journal: Journal, leave: Callable[[], None], backend: str) -> None:
        plan = journal.plan
        super().__init__(
            "simulation",
            shutdown=plan.shutdown,
            fence_after=plan.fence_after,
            intensity=plan.intensity,
            period=plan.period,
            seed=plan.seed,
        )
        self.journal = journal
        self.cancel_all = leave
        self._native_cancel = backend == "asyncio"

    async def __aenter__(self) -> Self:
        self.journal.now = anyio.current_time
        stage = await super().__aenter__()
        self.tasks = Tasks(self.backend, self._paused)
        self.subscribe(limit=1)  # while nobody listens, little is told
        return stage

    def emit(self, kind: EventKind, path: str, detail: str = "") -> None:
        super().emit(kind, path, detail)
        self.journal.event(kind, path, detail)

    def strike(self, path: str) -> None:
        """Kill whoever lives there, brutally, and remember it."""
        self._mark(path)
        self.journal.note(f"kill {path}")
        self.kill(self.lookup(path))

    async def dismiss(self, path: str, timeout: float) -> None:
        """Have somebody stopped by its supervisor."""
        above, _, id = path.rpartition("/")
        supervisor = self.lookup(above) if above else self.root
        try:
            await supervisor.call(Supervisor.StopChild(id), timeout)
        except CallError as error:
            self.journal.note(f"{path} was not dismissed: {type(error).__name__}")

    def _paused(self, name: str) -> bool:
        """A task of the kernel's has come to wait for something."""
        fault = self.journal.faults.next("step")
        if fault is not None:
            self._strike_here(fault, name.partition(" ")[0])
        return self.journal.step()

    def _strike_here(self, fault: Fault, path: str) -> None:
        self.journal.note(f"{fault.kind} {path}")
        match fault.kind:
            case "kill_step":
                self.strike(fault.target or path)
            case "cancel_step":
                self.cancel_all()
            case _:
                self._cancel_natively(path)

    def _cancel_natively(self, path: str) -> None:
        # What a library that does not know the kernel could do on asyncio; trio cancels no single task.
        task = asyncio.current_task() if self._native_cancel else None
        if task is not None:
            self._mark(path)
            task.cancel()

    def _mark(self, path: str) -> None:
        life = self.journal.lives.of(self.cells.get(path))
        if life is not None:
            life.struck = True
