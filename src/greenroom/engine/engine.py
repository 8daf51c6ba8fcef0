"""The engine: what a user opens, hands tasks to, and reads outcomes from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from msgspec.structs import replace

from greenroom.actors._boundary import ORDINARY, last_words
from greenroom.actors.estate import Estate
from greenroom.actors.plan import RolloutPlan
from greenroom.actors.run import PlanSource, Run
from greenroom.actors.stage import Stage
from greenroom.engine.assembly import (
    check_loop,
    close_backend,
    gateway_for,
    install_agent,
    keeper_of,
    open_store,
    provider_of,
    shielded,
)
from greenroom.engine.collector import calm_collector
from greenroom.engine.groups import GroupStream
from greenroom.engine.replay import open_model
from greenroom.engine.resume import Groups, Ledger, RunNames, Work, reap_left
from greenroom.engine.session import Session
from greenroom.engine.settings import DEADLINE, MODEL_WAIT, Settings, settings
from greenroom.engine.source import Once, Source, Tasks, check_host_tools, check_sandbox, check_tasks
from greenroom.engine.steering import NOT_OPEN, Steering
from greenroom.engine.store import RunStore, Store
from greenroom.engine.stream import EngineError, OutcomeStream, Started
from greenroom.engine.turn import Turn, image_of, sandbox_kind
from greenroom.interception import OpenModel, Routes
from greenroom.interception.pending import PendingCall
from greenroom.introspection.console import console_spec
from greenroom.kernel import Ref, System
from greenroom.messages import Outcome
from greenroom.sandboxes import Backend, open_backend
from greenroom.specs import AgentSpec, BlackBox, HostTool, Local, Model, SandboxSpec, TaskSpec
from greenroom.specs.limits import Limits
from greenroom.supervisors import engine as tree

if TYPE_CHECKING:
    from greenroom.interception.desk import Desk
    from greenroom.interception.gate import GateModel
    from greenroom.interception.valve import Valve

_CLOSE_SECONDS = 30.0


class Engine(Steering):
    """Runs rollouts, as many at once as it is allowed, and gives exactly one `Outcome` for each.

    Everything is checked when it is made; nothing starts before ``async with``. Leaving that block, whatever the
    reason, cancels what runs, keeps the outcomes, and leaves no process, sandbox, socket or task behind.

    Args:
        agent: Name of a registered agent, or an `AgentSpec`.
        sandbox: Where rollouts run.
        model: Who answers the agents' model calls: `Upstream`, `Gate`, `Scripted`, ``BlackBox``, or an async callable
            that takes a ``ModelCall`` and returns a ``Completion``.
        concurrency: Rollouts that run at once.
        attempts: How often one is tried when sandbox, model or engine are to blame.
        deadline: Seconds one rollout may take, all attempts and clean-up included; a task may set its own.
        model_wait: Seconds of a rollout for which the model's side may hold calls before that counts as the agent's
            time; a task may set its own.
        store: Directory that keeps the outcomes, and where a run that was killed goes on; without one, whoever
            iterates has the only copy.
        allow_changes: Settings that may differ from those the run in ``store`` was begun with, such as ``"deadline"``
            or ``"model.base_url"``, and ``"tasks"`` and ``"samples"``. All others are refused.
        shutdown: Seconds that leaving may take to end rollouts in order, before everything is killed.
        progress: Told in lines of text what is being prepared before the first rollout.
        name: What ``greenroom ps`` and the like call it; by default after its store.
        tools: ``HostTool`` specs: what models may use beside the tools their agents have.
        limits: ``greenroom.specs.limits.Limits``: of backends, agents, images, and of the machine.
        console: Let this machine's user look inside while it runs, with ``greenroom ps``, ``tree`` and ``inspect``.

    Raises:
        ValueError: A value is not allowed; the text names the field, the value and what is allowed.
        TypeError: The same, for types.
    """

    def __init__(  # noqa: PLR0913 - by keyword, and few are ever needed
        self,
        agent: str | AgentSpec,
        *,
        model: Model,
        sandbox: SandboxSpec = Local(),  # noqa: B008 - frozen
        concurrency: int = 64,
        attempts: int = 3,
        deadline: float = DEADLINE,
        model_wait: float = MODEL_WAIT,
        store: str | Path | None = None,
        allow_changes: Collection[str] = (),
        shutdown: float = 60.0,
        progress: Callable[[str], None] | None = None,
        name: str | None = None,
        tools: Sequence[HostTool] = (),
        limits: Limits | None = None,
        console: bool = True,
    ) -> None:
        checked = settings(
            agent,
            sandbox=sandbox,
            model=model,
            concurrency=concurrency,
            attempts=attempts,
            deadline=deadline,
            model_wait=model_wait,
            store=store,
            shutdown=shutdown,
            tools=tools,
            limits=limits,
        )
        super().__init__(checked.bounds)
        self.settings: Settings = checked
        self._progress: Callable[[str], None] = progress or (lambda _line: None)
        self._name = name or (Path(store).name if store else "engine")
        self._console = console
        self._numbers = count(1)
        self._run_numbers = count(1)
        self._run_names = RunNames()
        self._allow_changes = frozenset(allow_changes)
        self._ledger: Ledger | None = None
        self._epoch = 1
        self._stack: AsyncExitStack | None = None
        self._stage: Stage | None = None
        self._model: OpenModel | None = None
        self._root: Ref | None = None

    async def __aenter__(self) -> Self:
        """Prepare everything and start the engine's tree.

        Raises:
            EngineError: It was opened before, or this event loop cannot serve its sandboxes.
            InstallError: The agent cannot be installed.
            SandboxError: The sandboxes cannot be used on this machine.
            ScriptError: The model's script, or the run it is to replay, cannot be used.
            StoreError: The store cannot be used.
        """
        if self._system is not None:
            raise EngineError("an engine is opened once; make another one")
        check_loop(self.settings.sandbox)
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

    def run(
        self,
        tasks: Tasks,
        samples: int = 1,
        *,
        name: str = "",
        priority: int = 0,
        weight: float = 1.0,
        buffer: int | None = None,
    ) -> OutcomeStream:
        """Outcomes of all tasks, in the order in which their rollouts end.

        With a store, a program that is started again goes on where it was killed: what has its outcome is not run
        again, and is given first, unless it was acknowledged.

        Args:
            tasks: A list, or an iterator of either kind, which is consumed no faster than rollouts are admitted.
            samples: Rollouts per task.
            name: By what the store knows these rollouts; by default ``run-1``, ``run-2`` and so on.
            priority: While slots are scarce, no run begins a rollout before those of a higher priority.
            weight: Runs of one priority begin rollouts in proportion to their weights.
            buffer: Outcomes that may wait to be fetched before nothing more begins; by default as many as may run.

        Raises:
            TaskError: A task of a list is wrong. Those of an iterator are checked as they come.
            ValueError: A number is not allowed, or ``name`` is no name, or given twice.
        """
        check_tasks(tasks, self.settings.sandbox)
        turn = Turn(priority=priority, weight=weight, samples=samples, buffer=buffer)
        number = next(self._run_numbers)
        run = self._run_names.give(name, number)
        work = Work.of(run, tasks, samples, Source(tasks, samples, partial(self._plan, Groups(run), turn)))
        return OutcomeStream(partial(self._begin_run, number, work, turn), self._why, name=run)

    def groups(
        self, tasks: Tasks, samples: int, *, name: str = "", priority: int = 0, weight: float = 1.0
    ) -> GroupStream:
        """As `run`, but all samples of a task at once: a `Group` each, in the order in which they become whole."""
        return GroupStream(self.run(tasks, samples, name=name, priority=priority, weight=weight), samples)

    async def acknowledge(self, outcomes: Iterable[Outcome]) -> None:
        """These were dealt with: no later start of the run gives them again. Durable when it returns.

        Raises:
            EngineError: The engine is not open.
            StoreError: That cannot be kept.
        """
        await self._open_ledger().acknowledge(outcomes)

    def calls(self, max_batch: int = 64, linger: float = 0.005) -> AsyncIterator[list[PendingCall]]:
        """Model calls in batches, to be answered with ``call.reply(completion)``. Needs ``model=Gate()``.

        It ends when the engine does, and for nothing else: an ``anext`` that was cancelled has taken no call, and the
        next one goes on.

        Args:
            max_batch: Most calls in a batch.
            linger: Seconds to wait for more once there is one.
        """
        return self._gate("engine.calls").calls(max_batch, linger)

    def session(self, task: TaskSpec, sample: int = 0) -> Session:
        """One rollout whose model calls are answered one by one, of one attempt. Needs ``model=Gate()``.

        Any number of them may be open; those beyond ``concurrency`` wait for a slot. Their calls are not among those
        of `calls`.

        Args:
            task: What the agent is asked to do.
            sample: Carried into its calls and its outcome.

        Raises:
            EngineError: The engine is not open, or its model is no gate.
            TaskError: The task is wrong.
            ValueError: ``sample`` is negative.
        """
        gate = self._gate("engine.session")
        check_tasks([task], self.settings.sandbox)
        if sample < 0:
            raise ValueError(f"sample: expected 0 or more, got {sample}")
        number = next(self._run_numbers)
        plan = replace(self._plan(Groups(f"session-{number}{self._suffix}"), Turn(), task, sample), attempts=1)
        return Session(plan.rollout_id, partial(self._start_session, number, plan, gate), self._why)

    def pause(self) -> None:
        """Hold back model calls, from any thread: before new weights, say. Agents wait; nothing is lost.

        Calls that are with the model already, or that a gate has handed out, can still be answered. Deadlines go on.
        """
        self._brake().pause()

    def resume(self) -> None:
        """Let model calls go on, from any thread."""
        self._brake().resume()

    # How it is put together.

    async def _open(self, stack: AsyncExitStack) -> None:
        stack.enter_context(calm_collector())
        store = await open_store(self.settings, self._allow_changes)
        stack.callback(store.close)
        self._epoch = store.epoch
        await reap_left(store)
        prefix = await install_agent(self.settings.agent, self._progress)
        self._model = await open_model(self.settings.model)
        stack.push_async_callback(shielded, self._model.close)
        backend = await open_backend(self.settings.sandbox, run=self._name, epoch=store.epoch, progress=self._progress)
        stack.push_async_callback(shielded, partial(close_backend, backend, store))
        self._system = await stack.enter_async_context(
            System("greenroom", shutdown=self.settings.shutdown, expected=ORDINARY)
        )
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
            tools=self.settings.tools,
            provider=provider_of(self._model),
            desk_of=getattr(self._model, "desk_of", lambda _: None),
            interception=system.lookup(f"{tree.PATH}/interception"),
            sandboxes=system.lookup(f"{tree.PATH}/sandboxes"),
            journal=system.lookup(f"{tree.PATH}/journal") if isinstance(store, RunStore) else None,
        )
        self._ledger = Ledger(store, system.lookup(f"{tree.PATH}/journal"), self._allow_changes)
        extra = (console_spec(self._name, self.snapshot, self._tune),) if self._console else ()
        self._root = await system.start(
            tree.engine(system, self._stage, keeper_of(store), gateway_for(backend, routes), extra)
        )

    async def _begin_run(self, number: int, work: Work, turn: Turn, estate: Estate) -> Started:
        begun = await self._open_ledger().begin(work)
        run = await self._start_run(number, begun.source, estate, turn.buffer)
        return Started(run, begun.kept, begun.acknowledged)

    def _open_ledger(self) -> Ledger:
        if self._ledger is None:
            raise EngineError(NOT_OPEN)
        return self._ledger

    async def _start_run(self, number: int, source: PlanSource, estate: Estate, buffer: int | None = None) -> Ref:
        system = self.system
        start = partial(
            Run,
            source,
            self.settings.agent.name,
            self._board,
            system.lookup(f"{tree.PATH}/rollouts"),
            system.lookup(f"{tree.PATH}/journal"),
            estate,
            buffer,
        )
        return await self._runs.start(system, f"run-{number}", start)

    async def _start_session(self, number: int, plan: RolloutPlan, gate: GateModel, estate: Estate) -> tuple[Ref, Desk]:
        desk = gate.desk(plan.rollout_id)
        try:
            run = await self._start_run(number, Once(plan), estate)
        except BaseException:
            desk.close()
            raise
        return run, desk

    def _gate(self, what: str) -> GateModel:
        from greenroom.interception.gate import GateModel

        if not isinstance(self._model, GateModel):
            raise EngineError(f"{what} needs an open engine with model=Gate()")
        return self._model

    def _brake(self) -> GateModel | Valve:
        from greenroom.interception.gate import GateModel

        if self._stage is None:
            raise EngineError(NOT_OPEN)
        return self._model if isinstance(self._model, GateModel) else self._stage.valve

    async def _why(self) -> str:
        """Why a run was lost: because the engine gave up, if it does so within a moment."""
        if self._root is not None:
            with anyio.move_on_after(_CLOSE_SECONDS):
                exit = await self.system.join(self._root)
                return f"the engine failed: {last_words(exit, 'the engine')}"
        return "the run's own actor failed"

    @property
    def _suffix(self) -> str:
        """Tells what a later start of the run made from what the ones before did."""
        return "" if self._epoch == 1 else f"-{self._epoch}"

    def _plan(self, groups: Groups, turn: Turn, task: TaskSpec, sample: int) -> RolloutPlan:
        check_host_tools(task, self.settings.tools)
        check_sandbox(task, self.settings.sandbox)
        number = f"r-{next(self._numbers):06d}"
        return RolloutPlan(
            rollout_id=f"{number}{self._suffix}",
            task=task,
            sample=sample,
            group=groups(task, sample),
            attempts=self.settings.attempts,
            seconds=task.deadline or self.settings.deadline,
            model_wait=self.settings.model_wait if task.model_wait is None else task.model_wait,
            created=datetime.now(UTC).isoformat(),
            queued_at=anyio.current_time(),
            trainable=not isinstance(self.settings.model, BlackBox),
            agent=self.settings.agent.name,
            backend=sandbox_kind(self.settings.sandbox),
            image=image_of(task, self.settings.sandbox),
            priority=turn.priority,
            weight=turn.weight,
        )

    async def _wind_up(self) -> None:
        with anyio.move_on_after(self.settings.shutdown, shield=True):
            await self.stop("the engine was closed")
