"""The rollouts: admits as many as the engine's concurrency allows, and supervises them.

The slots that are taken are its own children, so the count cannot be wrong. Who finds no slot waits for one, in the
order of asking; each run waits with one rollout at a time, so runs take turns and the queue stays short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct

from greenroom.actors.board import Board
from greenroom.actors.plan import RolloutPlan
from greenroom.kernel import Call, ChildSpec, Exit, Ref, Reply, StartFailed, Supervisor, on

RolloutMaker = Callable[[RolloutPlan, Ref], ChildSpec]
"""Makes a rollout that tells its outcome to the given run."""


class Submit(Call[Ref], frozen=True):
    """Start a rollout as soon as there is a slot. Fails with `StartFailed` or `Withdrawn`."""

    plan: RolloutPlan
    run: Ref


class Withdrawn(Exception):
    """The run no longer wants the rollout it asked for."""


class Withdraw(Struct, frozen=True):
    """Take back what this run waits with. Too late if the rollout is started already."""

    run: Ref


class Resume(Struct, frozen=True):
    """Whatever the board said admission was paused for is over."""


class _SlotFreed(Struct, frozen=True):
    pass


class Rollouts(Supervisor):
    """A dynamic supervisor with a bound."""

    def __init__(self, board: Board, concurrency: int, make_rollout: RolloutMaker) -> None:
        super().__init__(strategy="dynamic")
        self.board = board
        self.concurrency = concurrency
        self.make_rollout = make_rollout
        self.queue: deque[tuple[Submit, Reply[Ref]]] = deque()

    @on(Submit)
    async def submit(self, message: Submit) -> Reply[Ref]:
        reply: Reply[Ref] = self.defer()
        self.queue.append((message, reply))
        await self._admit()
        return reply

    @on(Withdraw)
    def withdraw(self, message: Withdraw) -> None:
        for entry in [entry for entry in self.queue if entry[0].run == message.run]:
            self.queue.remove(entry)
            entry[1].fail(Withdrawn())
        self.board.waiting = len(self.queue)

    @on(_SlotFreed)
    async def slot_freed(self, _: _SlotFreed) -> None:
        await self._admit()

    @on(Resume)
    async def resume(self, _: Resume) -> None:
        await self._admit()

    def child_ended(self, id: str, exit: Exit) -> None:
        self.ref.cast(_SlotFreed())

    async def _admit(self) -> None:
        while self.queue and len(self.children) < self.concurrency and not self.board.paused:
            message, reply = self.queue.popleft()
            if not reply.abandoned:
                await self._start_rollout(message, reply)
        self.board.waiting = len(self.queue)

    async def _start_rollout(self, message: Submit, reply: Reply[Ref]) -> None:
        try:
            reply.send(await self.start_child(self.make_rollout(message.plan, message.run)))
        except (StartFailed, ValueError) as error:
            reply.fail(error)
