"""The journal, the one writer of a run's store: every outcome is kept before it is announced.

What arrives while something is being written waits and goes together with the next commit. When the disk cannot be
used it stays here, nothing is announced, nothing is made, admission pauses, and the board says why, until a commit
succeeds again. What waits is bounded by the runs: a run with outcomes in hand submits no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread
import structlog
from msgspec import Struct

from greenroom.actors.board import Board
from greenroom.actors.records import Record
from greenroom.actors.rollouts import Resume
from greenroom.kernel import Actor, Backoff, Call, Exit, Ref, Reply, on
from greenroom.messages import Outcome

_log = structlog.get_logger(__name__)
_BACKOFF = Backoff(first=0.5, limit=30.0, jitter=0.2)
_LATE_SECONDS = 1.0
"""How long a note waits for something to be written together with."""


class Unstorable(Exception):
    """Something that the store refuses, whatever the state of the disk."""


class Commit(Call[None], frozen=True):
    """Answered once the outcome is durable; fails with `Unstorable`."""

    outcome: Outcome


class Keep(Call[None], frozen=True):
    """Answered once the record is durable; fails with `Unstorable`."""

    record: Record


class Note(Struct, frozen=True):
    """Keep this soon. If the engine is killed before, it is as if it had not been said."""

    record: Record


class Keeper(Struct, frozen=True, eq=False):
    """What the journal knows of the store."""

    commit: Callable[[Sequence[Record]], None]
    """Keeps all of them or none. The same one again changes nothing."""
    unavailable: type[Exception]
    """Raised when nothing was kept and trying later makes sense."""
    blocking: bool
    """Whether a commit may take long and belongs into a thread."""


class JournalView(Struct, frozen=True):
    """What an observer sees."""

    waiting: int
    writing: int
    committed: int
    trouble: str


class _Written(Struct, frozen=True):
    refused: dict[int, Exception]
    """By position in the batch."""


class _NotWritten(Struct, frozen=True):
    error: Exception


class _TryAgain(Struct, frozen=True):
    pass


class Journal(Actor):
    """The one writer of the store."""

    def __init__(self, keeper: Keeper, board: Board, rollouts: Ref) -> None:
        self.keeper = keeper
        self.board = board
        self.rollouts = rollouts
        self.waiting: list[tuple[Record, Reply[None] | None]] = []
        self.writing: list[tuple[Record, Reply[None] | None]] = []
        self.committed = 0
        """Outcomes."""
        self.tries = 0
        """Failed ones since the last success."""
        self._thread = anyio.CapacityLimiter(1)

    async def started(self) -> None:
        self._pause("")

    def observe(self) -> JournalView:
        return JournalView(len(self.waiting), len(self.writing), self.committed, self.board.paused)

    async def stopped(self, exit: Exit) -> None:
        # Who waits for an answer will be told that there is none; notes are of use to the next engine.
        if notes := [record for record, reply in self.waiting if reply is None]:
            await self._keep(notes)

    @on(Commit)
    def commit(self, message: Commit) -> Reply[None]:
        return self._accept(message.outcome)

    @on(Keep)
    def keep(self, message: Keep) -> Reply[None]:
        return self._accept(message.record)

    @on(Note)
    def note(self, message: Note) -> None:
        self.waiting.append((message.record, None))
        if not self.writing and not self.tries:
            self.after(_LATE_SECONDS, _TryAgain(), key="late")

    def _accept(self, record: Record) -> Reply[None]:
        reply: Reply[None] = self.defer()
        self.waiting.append((record, reply))
        if not self.writing and not self.tries:
            self._write()
        return reply

    @on(_Written)
    def written(self, message: _Written) -> None:
        self.tries = 0
        self._pause("")
        for index, (record, reply) in enumerate(self.writing):
            error = message.refused.get(index)
            self.committed += error is None and isinstance(record, Outcome)
            if reply is not None:
                reply.send(None) if error is None else reply.fail(Unstorable(str(error)))
        self.writing = []
        self._write()

    @on(_NotWritten)
    def not_written(self, message: _NotWritten) -> None:
        self.tries += 1
        self._pause(str(message.error))
        self.waiting = self.writing + self.waiting
        self.writing = []
        self.after(_BACKOFF.delay(self.tries, self.system.random), _TryAgain())

    @on(_TryAgain)
    def try_again(self, _: _TryAgain) -> None:
        if not self.writing:
            self._write()

    def _write(self) -> None:
        if self.waiting:
            self.writing, self.waiting = self.waiting, []
            self.run(self._keep([record for record, _ in self.writing]), then=lambda told: told, name="commit")

    async def _keep(self, records: list[Record]) -> _Written | _NotWritten:
        try:
            await self._commit(records)
        except self.keeper.unavailable as error:
            return _NotWritten(error)
        except Exception:  # noqa: BLE001 - logged; what it is about is found out next
            # One record that cannot be kept must not take the others along.
            _log.exception("commit_refused", records=len(records))
            return await self._keep_each(records)
        return _Written({})

    async def _keep_each(self, records: list[Record]) -> _Written | _NotWritten:
        refused: dict[int, Exception] = {}
        for index, record in enumerate(records):
            try:
                await self._commit([record])
            except self.keeper.unavailable as error:
                return _NotWritten(error)
            except Exception as error:  # noqa: BLE001 - told to whoever wanted it kept
                refused[index] = error
        return _Written(refused)

    async def _commit(self, records: list[Record]) -> None:
        if self.keeper.blocking:
            await anyio.to_thread.run_sync(partial(self.keeper.commit, records), limiter=self._thread)
        else:
            self.keeper.commit(records)

    def _pause(self, reason: str) -> None:
        if reason != self.board.paused:
            _log.warning("admission_paused", reason=reason) if reason else _log.info("admission_resumed")
        resumed = self.board.paused and not reason
        self.board.paused = reason
        if resumed:
            self.rollouts.cast(Resume())
