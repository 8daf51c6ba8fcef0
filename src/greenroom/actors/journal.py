"""The journal: every outcome is kept before it is announced.

Outcomes that arrive while others are being written wait and go together with the next commit. When the disk cannot be
used they stay here, nothing is announced, admission pauses, and the board says why, until a commit succeeds again.
What waits is bounded by the runs: a run with outcomes in hand submits no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread
import structlog
from msgspec import Struct

from greenroom.actors.board import Board
from greenroom.actors.rollouts import Resume
from greenroom.kernel import Actor, Backoff, Call, Ref, Reply, on
from greenroom.messages import Outcome

_log = structlog.get_logger(__name__)
_BACKOFF = Backoff(first=0.5, limit=30.0, jitter=0.2)


class Unstorable(Exception):
    """An outcome that the store refuses, whatever the state of the disk."""


class Commit(Call[None], frozen=True):
    """Answered once the outcome is durable; fails with `Unstorable`."""

    outcome: Outcome


class Keeper(Struct, frozen=True, eq=False):
    """What the journal knows of the store."""

    commit: Callable[[Sequence[Outcome]], None]
    """Keeps all of them or none. The same outcome again changes nothing."""
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
        self.waiting: list[tuple[Outcome, Reply[None]]] = []
        self.writing: list[tuple[Outcome, Reply[None]]] = []
        self.committed = 0
        self.tries = 0
        """Failed ones since the last success."""
        self._thread = anyio.CapacityLimiter(1)

    async def started(self) -> None:
        self._pause("")

    def observe(self) -> JournalView:
        return JournalView(len(self.waiting), len(self.writing), self.committed, self.board.paused)

    @on(Commit)
    def commit(self, message: Commit) -> Reply[None]:
        reply: Reply[None] = self.defer()
        self.waiting.append((message.outcome, reply))
        if not self.writing and not self.tries:
            self._write()
        return reply

    @on(_Written)
    def written(self, message: _Written) -> None:
        self.tries = 0
        self._pause("")
        for index, (_, reply) in enumerate(self.writing):
            error = message.refused.get(index)
            if error is None:
                self.committed += 1
                reply.send(None)
            else:
                reply.fail(Unstorable(str(error)))
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
        self._write()

    def _write(self) -> None:
        if self.waiting:
            self.writing, self.waiting = self.waiting, []
            self.run(self._keep([outcome for outcome, _ in self.writing]), then=lambda told: told, name="commit")

    async def _keep(self, outcomes: list[Outcome]) -> _Written | _NotWritten:
        try:
            await self._commit(outcomes)
        except self.keeper.unavailable as error:
            return _NotWritten(error)
        except Exception:  # noqa: BLE001 - logged; what it is about is found out next
            # One outcome that cannot be kept must not take the others along.
            _log.exception("commit_refused", outcomes=len(outcomes))
            return await self._keep_each(outcomes)
        return _Written({})

    async def _keep_each(self, outcomes: list[Outcome]) -> _Written | _NotWritten:
        refused: dict[int, Exception] = {}
        for index, outcome in enumerate(outcomes):
            try:
                await self._commit([outcome])
            except self.keeper.unavailable as error:
                return _NotWritten(error)
            except Exception as error:  # noqa: BLE001 - told to the run that submitted it
                refused[index] = error
        return _Written(refused)

    async def _commit(self, outcomes: list[Outcome]) -> None:
        if self.keeper.blocking:
            await anyio.to_thread.run_sync(partial(self.keeper.commit, outcomes), limiter=self._thread)
        else:
            self.keeper.commit(outcomes)

    def _pause(self, reason: str) -> None:
        if reason != self.board.paused:
            _log.warning("admission_paused", reason=reason) if reason else _log.info("admission_resumed")
        resumed = self.board.paused and not reason
        self.board.paused = reason
        if resumed:
            self.rollouts.cast(Resume())
