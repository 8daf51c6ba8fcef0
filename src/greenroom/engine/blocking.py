"""The engine for threads and plain scripts: the same verbs, blocking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Required, TypedDict, TypeVar, Unpack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from greenroom.actors.board import Snapshot
from greenroom.engine.engine import Engine
from greenroom.engine.stream import OutcomeStream
from greenroom.messages import Outcome
from greenroom.specs import AgentSpec, Model, SandboxSpec, TaskSpec

if TYPE_CHECKING:
    from greenroom.interception.gate import PendingCall

T = TypeVar("T")


class Options(TypedDict, total=False):
    """The keywords of `Engine`."""

    model: Required[Model]
    sandbox: SandboxSpec
    concurrency: int
    attempts: int
    deadline: float
    store: str | Path | None
    shutdown: float
    progress: Callable[[str], None]
    name: str | None
    console: bool


class BlockingEngine:
    """An open engine whose event loop runs in a thread of its own. Its methods can be called from any other thread."""

    def __init__(self, portal: BlockingPortal, engine: Engine) -> None:
        self._portal = portal
        self._engine = engine

    def run(self, tasks: Iterable[TaskSpec], samples: int = 1) -> Iterator[Outcome]:
        """Outcomes of all tasks, as rollouts end. An iterator of tasks is consumed in the engine's thread."""
        stream = self._portal.call(self._engine.run, tasks, samples)
        return self._outcomes(stream)

    def calls(self, max_batch: int = 64, linger: float = 0.005) -> Iterator[list[PendingCall]]:
        """Batches of model calls. Iterate in a thread of its own, beside the one that iterates over outcomes."""
        return self._iterate(self._portal.call(self._engine.calls, max_batch, linger))

    def stop(self, reason: str = "the engine was stopped") -> None:
        """Cancel what runs, admit no more, and wait until every outcome is kept."""
        self._portal.call(self._engine.stop, reason)

    def snapshot(self) -> Snapshot:
        """Totals, and a row for each rollout that runs."""
        return self._portal.call(self._engine.snapshot)

    def _outcomes(self, stream: OutcomeStream) -> Iterator[Outcome]:
        try:
            yield from self._iterate(stream)
        finally:
            self._portal.call(stream.aclose)

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
