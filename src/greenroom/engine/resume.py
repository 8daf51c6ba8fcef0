"""Going on with a run: what was submitted is kept, what has its outcome is left out, what was left is removed."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

import anyio
import anyio.lowlevel
import anyio.to_thread
import structlog
from msgspec import Struct

from greenroom.actors.journal import Keep, Note, Unstorable
from greenroom.actors.plan import RolloutPlan
from greenroom.actors.records import Acknowledged, Lease, Released, Submitted, Taken
from greenroom.actors.run import PlanSource
from greenroom.engine._storewrites import digest
from greenroom.engine.changes import Change, refuse_changes
from greenroom.engine.source import Tasks
from greenroom.engine.store import RunStore, Store, StoreError
from greenroom.engine.submission import Submission
from greenroom.kernel import CallError, Ref
from greenroom.messages import Outcome
from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.leftovers import reap
from greenroom.specs import TaskSpec

_DELAYS = (0.1, 0.5, 2.0, 8.0)
_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_log = structlog.get_logger(__name__)


class Work(Struct, frozen=True, kw_only=True):
    """What one `Engine.run` was asked for."""

    run: str
    samples: int
    tasks: tuple[TaskSpec, ...] | None
    """``None``: an iterator, of which nobody knows."""
    source: PlanSource

    @classmethod
    def of(cls, run: str, tasks: Tasks, samples: int, source: PlanSource) -> Work:
        """With the tasks, if they are a list."""
        listed = tuple(tasks) if isinstance(tasks, Sequence) else None
        return cls(run=run, samples=samples, tasks=listed, source=source)


class Begun(Struct, frozen=True):
    """What is left to do, and what was done before."""

    source: PlanSource
    kept: Iterator[Outcome] | None
    """``None``: nothing is kept at all."""
    acknowledged: Mapping[str, int] = {}
    """Group to how many of its samples were acknowledged and are not given again."""


class Groups:
    """Names the group of each task: a task that an iterator gives again is another group."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._seen: Counter[str] = Counter()

    def __call__(self, task: TaskSpec, sample: int) -> str:
        """Of this sample of the task that came last."""
        self._seen[task.id] += sample == 0
        again = self._seen[task.id]
        return f"{self._run}/{task.id}" if again == 1 else f"{self._run}/{task.id}@{again}"


class Ledger:
    """What the runs of an engine know of its store."""

    def __init__(self, store: Store, journal: Ref, allow: Collection[str]) -> None:
        self._store = store
        self._journal = journal
        self._allow = frozenset(allow)

    async def begin(self, work: Work) -> Begun:
        """Record what is to be done, and leave out what was done.

        Raises:
            StoreChanged: Something else was submitted under this name.
            StoreError: The store cannot be read, or does not take it.
        """
        if not isinstance(self._store, RunStore):
            return Begun(work.source, None)
        before, kept, hashes = await anyio.to_thread.run_sync(partial(_read, self._store, work))
        if before is not None and work.tasks is not None:
            self.refuse(before.changes(hashes, work.samples))
        if work.tasks is not None:
            await self.keep(Submitted(run=work.run, samples=work.samples, tasks=work.tasks))
        if before is not None and before.done:
            _log.info("run_resumed", run=work.run, done=len(before.done))
        return Begun(Resumed(work, before, self), kept, before.acknowledged if before is not None else {})

    async def acknowledge(self, outcomes: Iterable[Outcome]) -> None:
        """Wait until it is durable. Raises `StoreError`."""
        if isinstance(self._store, RunStore):
            await self.keep(Acknowledged(tuple(outcome.rollout_id for outcome in outcomes)))

    async def keep(self, record: Submitted | Acknowledged) -> None:
        """Wait until it is durable; a journal that is being restarted is asked again. Raises `StoreError`."""
        for delay in _DELAYS:
            try:
                return await self._journal.call(Keep(record), timeout=math.inf)
            except Unstorable as error:
                raise StoreError(f"the run's store does not take it: {error}") from error
            except CallError:
                await anyio.sleep(delay)
        raise StoreError("the engine does not run, and keeps nothing any more")

    async def take(self, work: Work, task: TaskSpec, before: Submission | None, *, again: bool) -> None:
        """A task of an iterator has come. Raises `StoreChanged` if it is not what it was."""
        known = before.tasks.get(task.id) if before and not again else None
        # In a thread, for every file that the task uploads is read for it.
        if known is not None and known != await anyio.to_thread.run_sync(digest, task):
            self.refuse([Change("tasks", task.id, f"{task.id} (other content)")])
        self._journal.cast(Note(Taken(run=work.run, samples=work.samples, task=task)))

    def refuse(self, found: Collection[Change]) -> None:
        """Raise `StoreChanged` with the changes that are not allowed."""
        if isinstance(self._store, RunStore):
            refuse_changes(self._store.path, found, self._allow)


class Resumed:
    """Gives the plans that have no outcome yet."""

    def __init__(self, work: Work, before: Submission | None, ledger: Ledger) -> None:
        self._work = work
        self._before = before
        self._ledger = ledger
        self._done: Collection[tuple[str, int]] = before.done if before else ()

    async def __call__(self) -> RolloutPlan | None:
        """The next one; ``None`` after the last. Raises `StoreChanged`, and what the source of tasks raises."""
        while (plan := await self._work.source()) is not None:
            if self._work.tasks is None and plan.sample == 0:
                again = "@" in plan.group.removeprefix(f"{self._work.run}/{plan.task.id}")
                await self._ledger.take(self._work, plan.task, self._before, again=again)
            if (plan.group, plan.sample) not in self._done:
                return plan
            await anyio.lowlevel.checkpoint()
        return None


class RunNames:
    """What each `Engine.run` is called in the store."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def give(self, wanted: str, number: int) -> str:
        """The name that is wanted, or one after the number. Raises `ValueError`."""
        name = wanted or f"run-{number}"
        if not _RUN.fullmatch(name):
            raise ValueError(f"name: expected letters, digits, '.', '_' and '-', got {name!r}")
        if name in self._given:
            raise ValueError(f"name: this engine has a run {name!r} already")
        self._given.add(name)
        return name


async def reap_left(store: Store) -> None:
    """Remove what engines that are no more have left of this run. What cannot be removed is left for the next start."""
    if not isinstance(store, RunStore):
        return
    leases = await anyio.to_thread.run_sync(store.leases)
    for kind, some in groupby(sorted(leases, key=_kind), key=_kind):
        await _reap(store, kind, list(some))


async def _reap(store: Store, kind: str, leases: list[Lease]) -> None:
    try:
        await reap(kind, [lease.handle for lease in leases])
    except SandboxError as error:
        _log.warning("leases_not_reaped", backend=kind, leases=len(leases), error=str(error), detail=error.detail)
        return
    await anyio.to_thread.run_sync(store.commit, [Released(lease.id) for lease in leases])
    _log.info("leases_reaped", backend=kind, leases=len(leases))


def _kind(lease: Lease) -> str:
    return lease.backend


def _read(store: RunStore, work: Work) -> tuple[Submission | None, Iterator[Outcome], dict[str, str]]:
    before = store.submission(work.run)
    return before, store.kept(work.run), {task.id: digest(task) for task in work.tasks or ()}
