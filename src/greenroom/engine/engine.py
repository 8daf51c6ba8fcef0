"""The engine: what a user opens, hands tasks to, and reads outcomes from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from greenroom.actors._boundary import failure_of_exit
from greenroom.actors.board import Board, Snapshot
from greenroom.actors.plan import RolloutPlan
from greenroom.actors.run import Abandon, Drain, Run, Stop
from greenroom.actors.stage import Stage
from greenroom.engine.assembly import gateway_for, install_agent, keeper_of, open_store
from greenroom.engine.settings import Settings, settings
from greenroom.engine.source import Source, Tasks, check_tasks
from greenroom.engine.store import Store
from greenroom.engine.stream import EngineError, OutcomeStream
from greenroom.interception import OpenModel, Routes, model_for
from greenroom.introspection.console import console_spec
from greenroom.kernel import CallError, ChildSpec, Ref, Supervisor, System
from greenroom.sandboxes import Backend, open_backend
from greenroom.specs import AgentSpec, Local, Model, SandboxSpec, Simulated, TaskSpec
from greenroom.supervisors import engine as tree

if TYPE_CHECKING:
    from greenroom.interception.gate import PendingCall

_CLOSE_SECONDS = 30.0


def _quiet(_line: str) -> None:
    """Nobody listens."""


class Engine:
    """Runs rollouts, as many at once as it is allowed, and gives exactly one `Outcome` for each.

    Everything is checked when it is made; nothing starts before ``async with``. Leaving that block, whatever the
    reason, cancels what runs, keeps the outcomes, and leaves no process, sandbox, socket or task behind.

    Args:
        agent: Name of a registered agent, or an `AgentSpec`.
        sandbox: Where rollouts run.
        model: Who answers the agents' model calls: `Upstream`, `Gate`, `Scripted`, or an async callable that takes a
            ``ModelCall`` and returns a ``Completion``.
        concurrency: Rollouts that run at once.
        attempts: How often one is tried when sandbox, model or engine are to blame.
        deadline: Seconds one rollout may take, all attempts and clean-up included; a task may set its own.
        store: Directory that keeps the outcomes; without one they are kept in memory.
        shutdown: Seconds that leaving may take to end rollouts in order, before everything is killed.
        progress: Told in lines of text what is being prepared before the first rollout.
        name: What ``greenroom ps`` and the like call it; by default after its store.
        console: Let this machine's user look inside while it runs, with ``greenroom ps``, ``tree`` and ``inspect``.

    Raises:
        ValueError: A value is not allowed; the text names the field, the value and what is allowed.
        TypeError: The same, for types.
    """

    def __init__(
        self,
        agent: str | AgentSpec,
        *,
        model: Model,
        sandbox: SandboxSpec = Local(),  # noqa: B008 - frozen
        concurrency: int = 64,
        attempts: int = 3,
        deadline: float = 1800.0,
        store: str | Path | None = None,
        shutdown: float = 60.0,
        progress: Callable[[str], None] = _quiet,
        name: str | None = None,
        console: bool = True,
    ) -> None:
        self.settings: Settings = settings(
            agent,
            sandbox=sandbox,
            model=model,
            concurrency=concurrency,
            attempts=attempts,
            deadline=deadline,
            store=store,
            shutdown=shutdown,
        )
        self._progress = progress
        self._name = name or (Path(store).name if store else "engine")
        self._console = console
        self._board = Board()
        self._numbers = count(1)
        self._run_numbers = count(1)
        self._epoch = 1
        self._runs: list[Ref] = []
        self._stopped = ""
        self._stack: AsyncExitStack | None = None
        self._stage: Stage | None = None
        self._system: System | None = None
        self._model: OpenModel | None = None
        self._root: Ref | None = None

    async def __aenter__(self) -> Self:
        """Prepare everything and start the engine's tree.

        Raises:
            EngineError: It was opened before, or this event loop cannot serve its sandboxes.
            InstallError: The agent cannot be installed.
            SandboxError: The sandboxes cannot be used on this machine.
            StoreError: The store cannot be used.
        """
        if self._system is not None:
            raise EngineError("an engine is opened once; make another one")
        self._check_loop()
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._stack is None:
            raise EngineError("the engine is not open")
        await self._stack.__aexit__(kind, error, traceback)

    # What a user asks of it.

    def run(self, tasks: Tasks, samples: int = 1) -> OutcomeStream:
        """Outcomes of all tasks, in the order in which their rollouts end.

        Args:
            tasks: A list, or an iterator of either kind, which is consumed no faster than rollouts are admitted.
            samples: Rollouts per task.

        Raises:
            TaskError: A task of a list is wrong. Those of an iterator are checked as they come.
            ValueError: ``samples`` is less than 1.
        """
        check_tasks(tasks)
        if samples < 1:
            raise ValueError(f"samples: expected 1 or more, got {samples}")
        number = next(self._run_numbers)
        source = Source(tasks, samples, partial(self._plan, number))
        return OutcomeStream(partial(self._start_run, number, source), self._why)

    def calls(self, max_batch: int = 64, linger: float = 0.005) -> AsyncIterator[list[PendingCall]]:
        """Model calls in batches, to be answered with ``call.reply(completion)``. Needs ``model=Gate()``.

        Args:
            max_batch: Most calls in a batch.
            linger: Seconds to wait for more once there is one.
        """
        from greenroom.interception.gate import GateModel

        if not isinstance(self._model, GateModel):
            raise EngineError("engine.calls needs an open engine with model=Gate()")
        return self._model.calls(max_batch, linger)

    async def stop(self, reason: str = "the engine was stopped") -> None:
        """Cancel what runs, admit no more, and wait until every outcome is kept. Iterations get them and end."""
        self._stopped = self._stopped or reason
        runs = [run for run in self._runs if run.alive]
        for run in runs:
            run.cast(Stop(reason))
        for run in runs:
            await _drained(run)

    def snapshot(self) -> Snapshot:
        """Totals, and a row for each rollout that runs."""
        return self._board.snapshot()

    @property
    def system(self) -> System:
        """The actors: tree, inspection, lifecycle events. Raises `EngineError` unless the engine is open."""
        if self._system is None:
            raise EngineError("the engine is not open: use `async with Engine(...) as engine`")
        return self._system

    # How it is put together.

    async def _open(self, stack: AsyncExitStack) -> None:
        store = await open_store(self.settings)
        stack.callback(store.close)
        self._epoch = store.epoch
        prefix = await install_agent(self.settings.agent, self._progress)
        self._model = model_for(self.settings.model)
        stack.push_async_callback(_shielded, self._model.close)
        backend = await open_backend(self.settings.sandbox)
        stack.push_async_callback(_shielded, backend.close)
        self._system = await stack.enter_async_context(System("greenroom", shutdown=self.settings.shutdown))
        stack.push_async_callback(self._wind_up)
        await self._start(self._system, store, backend, prefix)

    async def _start(self, system: System, store: Store, backend: Backend, prefix: str) -> None:
        if self._model is None:
            raise EngineError("the engine is not open")
        routes = Routes()
        self._stage = Stage(
            agent=self.settings.agent,
            backend=backend,
            model=self._model,
            model_name=self.settings.model_name,
            prefix=prefix,
            routes=routes,
            board=self._board,
            interception=system.lookup(f"{tree.PATH}/interception"),
            sandboxes=system.lookup(f"{tree.PATH}/sandboxes"),
        )
        extra = (console_spec(self._name, self.snapshot),) if self._console else ()
        self._root = await system.start(
            tree.engine(
                system,
                self._stage,
                keeper_of(store),
                gateway_for(backend, routes),
                self.settings.concurrency,
                extra,
            )
        )

    async def _start_run(self, number: int, source: Source) -> Ref:
        system = self.system
        if self._stopped:
            raise EngineError(f"the engine admits nothing any more: {self._stopped}")
        start = partial(
            Run,
            source,
            self.settings.agent.name,
            self._board,
            self.settings.concurrency,
            system.lookup(f"{tree.PATH}/rollouts"),
            system.lookup(f"{tree.PATH}/journal"),
        )
        spec = ChildSpec(f"run-{number}", start, restart="temporary")
        runs = system.lookup(f"{tree.PATH}/runs")
        try:
            run = await runs.call(Supervisor.StartChild(spec))
        except CallError as error:
            raise EngineError(f"the engine does not run: {error}") from error
        except BaseException:
            # Cancelled, it may have been started all the same; by its name it can be told.
            system.lookup(f"{runs.path}/{spec.id}").cast(Abandon())
            raise
        self._runs = [*(ref for ref in self._runs if ref.alive), run]
        return run

    async def _why(self) -> str:
        """Why a run was lost: because the engine gave up, if it does so within a moment."""
        if self._root is not None:
            with anyio.move_on_after(_CLOSE_SECONDS):
                exit = await self.system.join(self._root)
                return f"the engine failed: {failure_of_exit(exit, 'cleanup', 'the engine').fault.message}"
        return "the run's own actor failed"

    def _plan(self, run: int, task: TaskSpec, sample: int) -> RolloutPlan:
        number = f"r-{next(self._numbers):06d}"
        return RolloutPlan(
            rollout_id=number if self._epoch == 1 else f"{number}-{self._epoch}",
            task=task,
            sample=sample,
            group=f"run-{run}/{task.id}",
            attempts=self.settings.attempts,
            seconds=task.deadline or self.settings.deadline,
            created=datetime.now(UTC).isoformat(),
            queued_at=anyio.current_time(),
        )

    async def _wind_up(self) -> None:
        with anyio.move_on_after(self.settings.shutdown, shield=True):
            await self.stop("the engine was closed")

    def _check_loop(self) -> None:
        if isinstance(self.settings.sandbox, Simulated):
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            name = type(self.settings.sandbox).__name__
            raise EngineError(f"{name}() sandboxes need asyncio; on trio, only Simulated() works") from None


async def _drained(run: Ref) -> None:
    try:
        await run.call(Drain(), timeout=float("inf"))
    except CallError:
        return  # it has ended: nothing of it runs


async def _shielded(close: Callable[[], Awaitable[None]]) -> None:
    with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
        await close()
