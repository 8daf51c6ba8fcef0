"""The engine for threads and plain scripts: the same verbs, blocking."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Generic, Required, Self, TypedDict, TypeVar, Unpack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from greenroom.actors.board import Snapshot
from greenroom.engine.engine import Engine
from greenroom.engine.groups import Group, GroupStream
from greenroom.engine.session import Session
from greenroom.engine.stream import OutcomeStream
from greenroom.interception.pending import PendingCall
from greenroom.messages import Outcome
from greenroom.specs import AgentSpec, HostTool, Model, SandboxSpec, TaskSpec
from greenroom.specs.limits import Bounds, Limits

T = TypeVar("T")


class Options(TypedDict, total=False):
    """The keywords of `Engine`."""

    model: Required[Model]
    sandbox: SandboxSpec
    concurrency: int
    attempts: int
    deadline: float
    model_wait: float
    store: str | Path | None
    allow_changes: Collection[str]
    shutdown: float
    progress: Callable[[str], None]
    name: str | None
    tools: Sequence[HostTool]
    limits: Limits | None
    console: bool


class BlockingSession:
    """A `Session` for code that is not async; to be left by ``with``, or by `close`."""

    def __init__(self, portal: BlockingPortal, session: Session) -> None:
        self._portal = portal
        self._session = session

    def __enter__(self) -> Self:
        self._portal.call(self._session.__aenter__)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def rollout_id(self) -> str:
        """As in its calls and its outcome."""
        return self._session.rollout_id

    def next_call(self) -> PendingCall | None:
        """Wait for the agent's next model call; ``None`` once it has exited."""
        return self._portal.call(self._session.next_call)

    def outcome(self) -> Outcome:
        """Wait for the rollout's one outcome."""
        return self._portal.call(self._session.outcome)

    def close(self) -> None:
        """Cancel the rollout if it runs, and wait until its outcome is kept. Idempotent."""
        self._portal.call(self._session.aclose)


class BlockingStream(Generic[T]):
    """An `OutcomeStream` or a `GroupStream` for a plain loop. Leaving the loop early cancels what runs."""

    def __init__(
        self, portal: BlockingPortal, stream: OutcomeStream | GroupStream, items: Generator[T, None, None]
    ) -> None:
        self._portal = portal
        self._stream = stream
        self._items = items

    @property
    def name(self) -> str:
        """Of the run; its groups' names begin with it."""
        return self._stream.name

    @property
    def recalling(self) -> bool:
        """What came last was kept by an earlier start of the run; of a group, all of it."""
        return self._stream.recalling

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """The next one. Raises as the stream does."""
        return next(self._items)

    def cancel(self, reason: str = "the run was cancelled") -> None:
        """Cancel what runs and begin no more. The iteration goes on: it gives all outcomes, and ends."""
        self._portal.call(self._stream.cancel, reason)

    def close(self) -> None:
        """Cancel what runs, and wait until every outcome is in the store. Idempotent."""
        self._items.close()
        self._portal.call(self._stream.aclose)


class BlockingEngine:
    """An open engine whose event loop runs in a thread of its own. Its methods can be called from any other thread."""

    def __init__(self, portal: BlockingPortal, engine: Engine) -> None:
        self._portal = portal
        self._engine = engine

    def run(
        self, tasks: Iterable[TaskSpec], samples: int = 1, *, name: str = "", priority: int = 0, weight: float = 1.0
    ) -> BlockingStream[Outcome]:
        """Outcomes of all tasks, as rollouts end. An iterator of tasks is consumed in the engine's thread."""
        run = partial(self._engine.run, tasks, samples, name=name, priority=priority, weight=weight)
        stream = self._portal.call(run)
        return BlockingStream(self._portal, stream, self._until_left(stream, stream.aclose))

    def groups(
        self, tasks: Iterable[TaskSpec], samples: int, *, name: str = "", priority: int = 0, weight: float = 1.0
    ) -> BlockingStream[Group]:
        """The same, all samples of a task at once."""
        groups = partial(self._engine.groups, tasks, samples, name=name, priority=priority, weight=weight)
        stream = self._portal.call(groups)
        return BlockingStream(self._portal, stream, self._until_left(stream, stream.aclose))

    def acknowledge(self, outcomes: Iterable[Outcome]) -> None:
        """No later start of the run gives these again. Durable when it returns."""
        self._portal.call(self._engine.acknowledge, tuple(outcomes))

    def calls(self, max_batch: int = 64, linger: float = 0.005) -> Iterator[list[PendingCall]]:
        """Batches of model calls. Iterate in a thread of its own, beside the one that iterates over outcomes."""
        return self._iterate(self._portal.call(self._engine.calls, max_batch, linger))

    def session(self, task: TaskSpec, sample: int = 0) -> BlockingSession:
        """One rollout whose model calls are answered one by one: `Engine.session`."""
        return BlockingSession(self._portal, self._portal.call(self._engine.session, task, sample))

    def pause(self) -> None:
        """Hold back model calls. Returns at once; agents wait."""
        self._engine.pause()

    def resume(self) -> None:
        """Let model calls go on."""
        self._engine.resume()

    def stop(self, reason: str = "the engine was stopped") -> None:
        """Cancel what runs, admit no more, and wait until every outcome is kept."""
        self._portal.call(self._engine.stop, reason)

    def cancel(self, name: str, reason: str = "it was cancelled") -> int:
        """Cancel one rollout, or a group; how many are."""
        return self._portal.call(self._engine.cancel, name, reason)

    def set(self, changes: Mapping[str, object] | None = None, /, **more: object) -> Bounds:
        """Change limits while it runs: `Engine.set`."""
        return self._portal.call(partial(self._engine.set, changes, **more))

    def snapshot(self) -> Snapshot:
        """Totals, and a row for each rollout that runs."""
        return self._portal.call(self._engine.snapshot)

    def _until_left(self, stream: AsyncIterator[T], close: Callable[[], Awaitable[None]]) -> Generator[T, None, None]:
        try:
            yield from self._iterate(stream)
        finally:
            self._portal.call(close)

    def _iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def step() -> tuple[T] | None:
            try:
                return (await anext(items),)
            except StopAsyncIteration:
                return None

        while (item := self._portal.call(step)) is not None:
            yield item[0]


@contextmanager
def open_engine(agent: str | AgentSpec, **options: Unpack[Options]) -> Generator[BlockingEngine]:
    """An engine for code that is not async, to be opened with ``with``.

    Takes what `Engine` takes. Signals stay the caller's: Ctrl-C interrupts whatever call is under way, and leaving
    the block ends everything in order.

    Raises:
        ValueError: As `Engine` does.
    """
    engine = Engine(agent, **options)
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(engine):
        yield BlockingEngine(portal, engine)
