"""The rollouts: admits as many as the limits allow, and supervises them.

The slots that are taken are its own children, so the count cannot be wrong. Who finds no slot waits for one. Each run
waits with one rollout at a time, unless that one is held up by a limit of its own; so the queue stays short. What is
decided is decided in `admission` and `circuits`.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import structlog
from msgspec import Struct

from greenroom.actors.admission import Reading, closed, has_room
from greenroom.actors.board import Board
from greenroom.actors.circuits import Circuits
from greenroom.actors.machine import read
from greenroom.actors.plan import RolloutPlan
from greenroom.actors.slots import Slots
from greenroom.actors.waiting import Entry, Waiting
from greenroom.kernel import Call, ChildSpec, Down, Exit, Ref, Reply, StartFailed, Supervisor, on
from greenroom.messages import Fault

_log = structlog.get_logger(__name__)
_READ_SECONDS = 1.0
"""A reading of the machine is good for so long."""
_AGAIN_SECONDS = 5.0
"""When nobody says that things have become better, the machine is looked at again."""
_SMOOTH = 0.2
_FORGET = 0.5
"""What is left of the boot time of the past, each time it has held up admission."""

RolloutMaker = Callable[[RolloutPlan, Ref], ChildSpec]
"""Makes a rollout that tells its outcome to the given run."""


class Submit(Call[Ref], frozen=True):
    """Start a rollout as soon as there is a slot. Fails with `StartFailed`, `Withdrawn` or `Refused`."""

    plan: RolloutPlan
    run: Ref


class Withdrawn(Exception):
    """The run no longer wants the rollout it asked for."""


class Refused(Exception):
    """It makes no sense to start this rollout now; the fault says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Withdraw(Struct, frozen=True):
    """Take back what this run waits with, or one of those. Too late if the rollout is started already."""

    run: Ref
    rollout_id: str = ""


class HeldUp(Struct, frozen=True):
    """To a run: this rollout waits for a limit of its own, so others of yours may go first."""

    rollout_id: str


class Granted(Struct, frozen=True):
    """To a run: this rollout has its slot and begins in a moment, so it is another one's turn."""

    rollout_id: str


class Resume(Struct, frozen=True):
    """Look again: limits were changed, or whatever the board said admission was paused for is over."""


class ResetCircuits(Struct, frozen=True):
    """Forget what failed: it was mended."""


class MayRetry(Call[bool], frozen=True):
    """Answered once it makes sense to make another attempt: whether to, or to end with what there is."""

    rollout_id: str


class AttemptBooted(Struct, frozen=True):
    """From a rollout: the sandbox of its attempt is there, after so many seconds."""

    rollout_id: str
    seconds: float


class AttemptEnded(Struct, frozen=True):
    """From a rollout: its attempt has ended."""

    rollout_id: str
    fault: Fault | None
    worked: bool
    """Its agent did something."""


class AdmissionView(Struct, frozen=True):
    """What an observer sees."""

    concurrency: int
    running: int
    waiting: int
    held: str
    taken: dict[str, int]
    """Rollouts at once, by what they use."""
    boot: float
    """Seconds that sandboxes have taken to boot lately."""
    reading: Reading
    """The machine, when it was last looked at."""


class _SlotFreed(Struct, frozen=True):
    rollout_id: str


class _Start(Struct, frozen=True):
    rollout_id: str


class Rollouts(Supervisor):
    """A dynamic supervisor with bounds. The bounds are the board's, so that they outlive it."""

    def __init__(self, board: Board, make_rollout: RolloutMaker, look: Callable[[], Reading] = read) -> None:
        super().__init__(strategy="dynamic")
        self.board = board
        self.make_rollout = make_rollout
        self.look = look
        self.queue = Waiting()
        self.slots = Slots()
        self.pending: dict[str, Entry] = {}
        """They have their slots and begin in a moment."""
        self.circuits = Circuits(anyio.current_time)
        self.retries: dict[str, Reply[bool]] = {}
        """Rollouts that would make another attempt."""
        self.boot = 0.0
        self.reading = Reading()
        self.read_at = float("-inf")

    async def started(self) -> None:
        self.board.circuits = self.circuits.rows
        await super().started()

    def observe(self) -> AdmissionView:  # type: ignore[override]
        board, taken = self.board, dict(self.slots.taken)
        running = len(self.slots)
        return AdmissionView(
            board.bounds.concurrency, running, len(self.queue), board.held, taken, self.boot, self.reading
        )

    # Who asks.

    @on(Submit)
    async def submit(self, message: Submit) -> Reply[Ref]:
        reply: Reply[Ref] = self.defer()
        if self.queue.add(message.plan, message.run, reply):
            self.monitor(message.run)
        await self._admit()
        return reply

    @on(Withdraw)
    def withdraw(self, message: Withdraw) -> None:
        pending = [entry for entry in self.pending.values() if entry.submitter == message.run]
        for entry in [*self.queue.of(message.run, message.rollout_id), *pending]:
            if message.rollout_id in {"", entry.plan.rollout_id}:
                self.queue.drop(entry)
                self._never_began(entry, Withdrawn())
        self.board.waiting = len(self.queue)

    @on(Down)
    def run_gone(self, down: Down) -> None:
        self.queue.forget(down.ref)

    @on(MayRetry)
    async def may_retry(self, message: MayRetry) -> Reply[bool]:
        reply: Reply[bool] = self.defer()
        self.retries[message.rollout_id] = reply
        await self._admit()
        return reply

    # What makes them wait no longer.

    @on(_SlotFreed)
    async def slot_freed(self, message: _SlotFreed) -> None:
        self._free(message.rollout_id)
        await self._admit()

    @on(Resume)
    async def resume(self, _: Resume) -> None:
        self.read_at = float("-inf")
        await self._admit()

    @on(ResetCircuits)
    async def reset_circuits(self, _: ResetCircuits) -> None:
        self.circuits.reset()
        await self._admit()

    @on(AttemptBooted)
    async def booted(self, message: AttemptBooted) -> None:
        plan = self.slots.plans.get(message.rollout_id)
        if plan is not None:
            self.circuits.booted(plan)
            self.boot += _SMOOTH * (message.seconds - self.boot)
            await self._admit()

    @on(AttemptEnded)
    async def attempt_ended(self, message: AttemptEnded) -> None:
        plan = self.slots.plans.get(message.rollout_id)
        if plan is not None:
            self.circuits.ended(plan, message.fault, worked=message.worked)
            await self._admit()

    def child_ended(self, id: str, exit: Exit) -> None:
        # Behind all that the rollout has told before it ended.
        self.ref.cast(_SlotFreed(id))

    def _free(self, id: str) -> None:
        self.circuits.forget(id)
        self.slots.free(id)
        self.retries.pop(id, None)

    # Admission.

    async def _admit(self) -> None:
        self._let_retry()
        self._refuse()
        while (entry := self._next()) is not None:
            self.queue.took(entry)
            if not entry.reply.abandoned:
                await self._take(entry)
        self._tell()

    def _let_retry(self) -> None:
        """They have their slots already."""
        for rollout_id, reply in list(self.retries.items()):
            plan = self.slots.plans.get(rollout_id)
            refused = plan is None or self.circuits.refusal(plan) is not None
            if plan is not None and not refused:
                if not self.circuits.ready(plan):
                    continue
                self.circuits.begin(plan)
            del self.retries[rollout_id]
            reply.send(not refused)

    def _refuse(self) -> None:
        """Those that need what is known to be broken."""
        if not self.circuits.troubled:
            return
        for entry in list(self.queue):
            failure = self.circuits.refusal(entry.plan)
            if failure is not None:
                self.queue.drop(entry)
                entry.reply.fail(Refused(failure.fault))

    def _next(self) -> Entry | None:
        self.board.held = ""
        if not self.queue or len(self.slots) >= self.board.bounds.concurrency or self.board.paused:
            return None
        self.board.held = self._closed()
        return None if self.board.held else self.queue.first(self._may_begin)

    def _closed(self) -> str:
        """Why the machine takes no more. Where nothing runs there is nothing to wait for."""
        if not self.slots:
            return ""
        now = anyio.current_time()
        if now >= self.read_at + _READ_SECONDS:
            self.reading, self.read_at = self.look(), now
        return closed(self.board.bounds, self.reading, self.boot)

    def _may_begin(self, entry: Entry) -> bool:
        return has_room(entry.keys, self.slots.taken, self.board.bounds) and self.circuits.ready(entry.plan)

    async def _take(self, entry: Entry) -> None:
        """A slot is taken from now on, whenever it begins."""
        self.slots.take(entry.plan)
        self.circuits.begin(entry.plan)
        delay = self.system.random.uniform(0, self.board.bounds.jitter)
        if delay:
            self.pending[entry.plan.rollout_id] = entry
            entry.submitter.cast(Granted(entry.plan.rollout_id))
            self.after(delay, _Start(entry.plan.rollout_id))
        else:
            await self._start_rollout(entry)

    @on(_Start)
    async def start(self, message: _Start) -> None:
        entry = self.pending.pop(message.rollout_id, None)
        if entry is not None:
            await self._start_rollout(entry)

    async def _start_rollout(self, entry: Entry) -> None:
        if entry.reply.abandoned:
            self._never_began(entry, Withdrawn())
            return
        try:
            entry.reply.send(await self.start_child(self.make_rollout(entry.plan, entry.submitter)))
        except (StartFailed, ValueError) as error:
            self._never_began(entry, error)

    def _never_began(self, entry: Entry, error: Exception) -> None:
        self.pending.pop(entry.plan.rollout_id, None)
        self.ref.cast(_SlotFreed(entry.plan.rollout_id))
        entry.reply.fail(error)

    # What everybody is told.

    def _tell(self) -> None:
        board = self.board
        board.waiting = len(self.queue)
        if not (self.queue or self.retries):
            return
        self._look_again()
        if len(self.slots) < board.bounds.concurrency and not (board.held or board.paused):
            for entry in self.queue.untold(lambda entry: self.circuits.backend_ready(entry.plan)):
                entry.submitter.cast(HeldUp(entry.plan.rollout_id))

    def _look_again(self) -> None:
        """Nobody tells when a machine has more room, or a backend is well again: a slow timer does."""
        if self.board.held:
            self.boot *= _FORGET
            self.after(_AGAIN_SECONDS, Resume(), key="machine")
        trouble = self.circuits.trouble()
        if trouble is not None:
            seconds, self.board.held = trouble
            self.after(seconds, Resume(), key="circuit")
