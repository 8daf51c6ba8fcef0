"""The running of one actor incarnation: its task, its loop, its end.

A cell is *starting* until its actor's ``started`` returns, *running* while it takes messages, *stopping* while jobs are
cancelled and ``stopped`` runs, and *dead* once it is buried. How it is ended against its will is in `_strikes`, how its
end is told in `_burial`.
"""

from __future__ import annotations

from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast

from anyio import lowlevel

from greenroom.kernel._ask import Ask
from greenroom.kernel._burial import bury, lose_in_hand
from greenroom.kernel._call import Beginning
from greenroom.kernel._childspec import Grace
from greenroom.kernel._crash import crashed, interrupt_in, is_cancellation
from greenroom.kernel._errors import NotDelivered
from greenroom.kernel._exit import Crashed, Exit, ForeignCancel, Normal, Shutdown, TimedOut
from greenroom.kernel._incarnation import Incarnation
from greenroom.kernel._job import Job
from greenroom.kernel._mailbox import Own
from greenroom.kernel._ref import Ref, current
from greenroom.kernel._signals import Down, JobFailed, Linked, Replace, Stop, Suspend
from greenroom.kernel._strikes import Strikes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from greenroom.kernel._message import Handler
    from greenroom.kernel._trace import Trace

_BATCH = 128
"""Messages handled before other tasks get a turn."""


class Cell(Incarnation):
    """One incarnation, running."""

    __slots__ = ()

    @property
    def strikes(self) -> Strikes:
        """What is left of the patience with it. Made when it is first tried: most actors never try it."""
        if self._strikes is None:
            self._strikes = Strikes(self)
        return self._strikes

    def put_off_strikes(self) -> None:
        """No strike is due any more."""
        if self._strikes is not None:
            self._strikes.put_off()

    # What others do to it. All of this is synchronous.

    def accept(self, message: object) -> None:
        """Take a cast or an `Ask` into the user lane."""
        if self.closed:
            self.refuse(message, "dead")
            return
        if self.bounded:
            left_over = self.mailbox.offer(message)
            if left_over is not None:
                self.refuse(left_over, "mailbox full")
        else:
            self.user.append(message)
        if self.waiter is not None:
            self.system.backend.wake(self)

    def tell(self, message: object) -> None:
        """Take one of the kernel's own messages into the user lane, full or not: only outsiders are bounded."""
        if self.closed:
            self.refuse(message, "dead")
            return
        self.user.append(Own(message) if self.mailbox.overflow == "drop_old" else message)
        if self.waiter is not None:
            self.system.backend.wake(self)

    def signal(self, message: object) -> None:
        """Take a signal into the system lane."""
        if self.closed:
            return
        if self.mailbox.system is None:
            self.mailbox.system = deque()
        self.mailbox.system.append(message)
        self.system.backend.wake(self)

    def ask_stop(self, exit: Exit, grace: Grace) -> None:
        """Begin its end: in order within ``grace`` seconds, or by force. Does not wait."""
        if self.closed:
            return
        if grace == "brutal":
            self.kill(brutal=True)
            return
        self.signal(Stop(exit))
        self.strikes.after(grace)

    def kill(self, *, brutal: bool = False) -> None:
        """Cancel what it is doing, see `Strikes`; brutally: without its ``stopped``."""
        if brutal:
            self.strikes.kill()
        else:
            self.strikes.strike()

    def time_out(self, what: str) -> None:
        """Its time is up: it ends `TimedOut`, by force, unless it is ending already."""
        wanted = self.verdict is None or not self.verdict.abnormal
        if wanted and self.state in ("starting", "running"):
            self.verdict = TimedOut(what)
            self.kill()

    async def join(self, waiter: Cell | None = None) -> Exit:
        """Wait until it is dead."""
        if self.closed:
            return self.verdict or Normal()
        watcher = Ask(self.system.backend, None, None, self)
        self.watchers[watcher] = None
        try:
            await watcher.wait(waiter)
        finally:
            self.watchers.pop(watcher, None)
        exit: Exit = watcher.value
        return exit

    # Its own life.

    async def start(self) -> None:
        """Run it, and wait until it is ready. Raises `StartFailed`."""
        backend = self.system.backend
        ready = None
        if type(self.actor).started is not self.system.plain.started:
            ready = self.ready = Beginning(backend, None, None, self, self.spec.start_timeout)
        self.system.task_began()
        self.task = backend.spawn(self._main, self.path, self._task_over)
        if ready is None:
            return
        bucket = self.system.wheel.add(ready, self.spec.start_timeout)
        try:
            await ready.wait(self.parent)
        except BaseException:
            self.kill(brutal=True)
            raise
        finally:
            bucket.pop(ready, None)
        if ready.error is not None:
            raise ready.error

    async def _main(self) -> None:
        current.set(self)
        try:
            with self.scope:
                await self._begin()
                await self._serve()
        except BaseException as error:  # noqa: BLE001 - the one place where an actor's failure becomes an exit
            self._raised(error)
        # Whoever asked what was in hand need not wait for the clean-up to learn that there will be no answer.
        lose_in_hand(self)
        if self.state != "zombie":
            await self._wind_down()
            await self._outlive_children()
            bury(self)

    async def _begin(self) -> None:
        self.system.emit("started", self.path)
        if self.ready is not None:
            await self.actor.started()
            if self.verdict is None:
                self.ready.settle(None)
        if self.state == "starting":
            self.state = "running"

    async def _serve(self) -> None:
        box, user, actor, backend = self.mailbox, self.user, self.actor, self.system.backend
        while True:
            if len(user) > box.high and box.rose(len(user)):
                self.system.emit("high_water", self.path, f"{len(user)} messages wait")
            self.let_in()
            for _ in range(_BATCH):
                if self.verdict is not None:
                    self.in_hand = None
                    return
                if box.system:
                    self.in_hand = None
                    await self._heed(box.system.popleft())
                elif user and not self.suspended:
                    self.in_hand = entry = user.popleft()
                    handler = self.table.get(entry.__class__)
                    # The usual case, a cast, is spelt out: a call per message would cost as much as all the rest.
                    result = self._handle(entry) if handler is None else handler(actor, entry)
                    if result is not None and type(result) is CoroutineType:
                        await result
                    self.handled += 1
                else:
                    self.in_hand = entry = result = None  # what was handled last is not kept while it sleeps
                    self.let_in()
                    if self.suspended or not user:
                        await backend.park(self)
                    break
            else:
                self.in_hand = None
                await lowlevel.checkpoint()

    def _handle(self, entry: Any) -> Coroutine[Any, Any, object] | None:  # noqa: ANN401
        """Run a handler, traced if it is to be; what is left to await is returned."""
        return self._dispatch(entry) if self.tracer is None else self.tracer.around(entry, self._dispatch)

    def _dispatch(self, entry: Any) -> Coroutine[Any, Any, object] | None:  # noqa: ANN401
        self.in_hand = entry
        handler = self.handlers.get(entry.__class__)
        if handler is None:
            self.dead_letter(entry, self.no_handler())
            return None
        result: object = handler(self.actor, entry)
        return cast("Coroutine[Any, Any, object]", result) if type(result) is CoroutineType else None

    def handle_own(self, message: object) -> Coroutine[Any, Any, object] | None:
        """Run the handler of one of the kernel's own messages."""
        return self._dispatch(message)

    def no_handler(self) -> str:
        """Why a message that the actor handles in other states is not handled now."""
        return f"not handled in state {self.actor.__state__!r}"

    async def _heed(self, signal: Any) -> None:  # noqa: ANN401
        match signal:
            case Stop(exit=exit):
                self.verdict = exit
            case Suspend(on=on):
                self.suspended = on
            case Replace(change=change):
                change(self.actor)
            case JobFailed(job=job, error=error):
                self.in_hand = job
                self._raised(error)
            case Linked(ref=ref, exit=exit):
                self._link_broke(ref, exit)
            case _:
                unfinished = self._handle(signal)
                if unfinished is not None:
                    await unfinished
                self.in_hand = None

    def _link_broke(self, ref: Ref, exit: Exit) -> None:
        if self.actor.trap_exits:
            self.tell(Down(ref, exit))
        elif not isinstance(exit, Normal):
            self.verdict = exit

    def _raised(self, error: BaseException) -> None:
        exit = self._crashed(error, self.state if self.in_hand is None else self.in_hand)
        if self.verdict is None:
            self.verdict = exit
        else:
            # The first cause stands; what goes wrong during clean-up never replaces it.
            self.system.emit("cleanup_failed", self.path, repr(exit.exception))

    def _crashed(self, error: BaseException, in_hand: object) -> Crashed:
        if is_cancellation(error):
            error = ForeignCancel("the actor's task was cancelled from outside the kernel")
        interrupt = interrupt_in(error)
        if interrupt is not None:
            self.system.fail(interrupt)
        return crashed(error, in_hand)

    async def _wind_down(self) -> None:
        self.state = "stopping"
        stopped = type(self.actor).stopped is not self.system.plain.stopped
        if not self.jobs and not stopped:
            return
        if not self.strikes.pending:
            # "brutal" is how its supervisor ends it, not how it ends by itself.
            self.strikes.after(self.system.fence_after if self.grace == "brutal" else self.grace)
        await self._end_jobs()
        if stopped and not self.strikes.brutal:
            await self._clean(self.actor.stopped(self.verdict or Normal()))
            await self._end_jobs()  # begun in `stopped`

    async def _outlive_children(self) -> None:
        """Stop those that ``stopped`` did not, because it was cut short: whoever comes next needs their names.

        It takes as long as they are given, so a strike at this cell is of no use any more.
        """
        if not self.kids or self.closed:
            return
        self.mourning = True
        for kid in reversed(list(self.kids.values())):
            kid.ask_stop(Shutdown("supervisor died"), kid.grace)
        while self.kids:
            await self._clean(_outwait(next(iter(self.kids.values()))))

    async def _clean(self, work: Coroutine[Any, Any, None]) -> None:
        """Shielded from all but a strike. What it raises is told, and never stops the burial."""
        self.scope = self.system.new_scope(shield=True)
        try:
            with self.scope:
                await work
        except BaseException as error:  # noqa: BLE001 - a failing clean-up becomes an exit
            failed = self._crashed(error, "stopped")
            self.system.emit("cleanup_failed", self.path, failed.traceback)
            if self.verdict is None or not self.verdict.abnormal:
                self.verdict = failed

    async def _end_jobs(self) -> None:
        if self.jobs:
            await self._clean(self._jobs_over())

    async def _jobs_over(self) -> None:
        while self.jobs:
            for job in self.jobs:  # those that another has begun meanwhile, too
                job.cancel()
            await self.system.backend.park(self)

    def _task_over(self, _: object) -> None:
        if self.system.zombie_over(self):
            return
        if not self.closed:  # cancelled from outside before its first step
            self.verdict = self.verdict or crashed(ForeignCancel("cancelled before it began"), "start")
            bury(self)
        self.system.task_over()
        self._let_go()

    def _let_go(self) -> None:
        """Undo the circles it was part of, so that it goes when the last ref does, and with it what its actor held.

        Thousands of rollouts come and go: what they leave to the cyclic collector, everybody pays for.
        """
        del self.actor
        self.task = self.ready = self._strikes = self.mailbox.system = None
        self.watchers.clear()

    # Smaller things.

    def run(self, work: Coroutine[Any, Any, Any], then: Callable[[Any], object] | None, name: str) -> Job:
        """Start background work that belongs to this incarnation."""
        job = Job(self, work, then, name)
        self.jobs[job] = None
        self.system.task_began()
        job.task = self.system.backend.spawn(job.main, f"{self.path} {name}", job.over)
        return job

    def job_over(self, job: Job) -> None:
        """A job's task has ended."""
        self.jobs.pop(job, None)
        self.system.backend.wake(self)
        if self.system.zombie_over(job):
            return
        if job.error is not None and self.state == "stopping":
            self._raised(job.error)
        elif job.error is not None:
            self.signal(JobFailed(job, job.error))
        elif job.then is not None and job.finished:
            self.tell(job.message)
        self.system.task_over()

    def let_in(self) -> None:
        """Take messages of blocked senders as there is room for them, in order; all of them, if the actor is dead."""
        box = self.mailbox
        while box.waiters and (self.closed or not box.full):
            ticket = box.waiters.pop(0)
            if ticket.settle(None):
                self.accept(ticket.message)

    def handle_by(self, handlers: dict[type, Handler], tracer: Trace | None) -> None:
        """Change the handlers, or trace them: then the table the loop looks into is empty, and all go the long way."""
        self.handlers = handlers
        self.tracer = tracer
        self.table = handlers if tracer is None else {}

    def put_aside(self) -> None:
        """Keep the message in hand for later."""
        self.stash.append(self.in_hand)
        self.stashed = isinstance(self.in_hand, Ask)

    def unstash(self) -> None:
        """Put what was stashed back to the front of the user lane, in its order."""
        self.mailbox.user.extendleft(reversed(self.stash))
        self.stash.clear()

    def refuse(self, entry: object, why: str) -> None:
        """Nobody will handle this."""
        message = entry
        if isinstance(entry, Own):
            message = entry.message
        elif isinstance(entry, Ask):
            message = entry.message
            entry.settle(None, NotDelivered(f"{self.path}: {why}"))
        self.dead_letter(message, why)

    def dead_letter(self, message: object, why: str) -> None:
        """Count a message that nobody handled."""
        self.system.dead_letters += 1
        self.system.emit("dead_letter", self.path, f"{type(message).__name__}: {why}")


async def _outwait(cell: Cell) -> None:
    await cell.join()
