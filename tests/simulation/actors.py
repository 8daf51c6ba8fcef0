"""Workers that do what messages tell them, and suffer what the plan has in store for them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from math import inf
from typing import TYPE_CHECKING

import anyio

from greenroom.kernel import Actor, Down, Exit, Normal, Reply, Shutdown, on
from tests.simulation.faults import suffer
from tests.simulation.messages import (
    Done,
    Due,
    Gone,
    Letter,
    Mail,
    Note,
    Query,
    Quiz,
    Refusal,
    Resume,
    Tick,
    Trouble,
    answer_to,
    is_refused,
)
from tests.simulation.plan import Deed, Leaf
from tests.simulation.post import Post

if TYPE_CHECKING:
    from greenroom.kernel._cell import Cell
    from greenroom.kernel._job import Job
    from tests.simulation.promises.lives import Life
    from tests.simulation.stage import Stage


class Extra(Actor):
    """A worker with neither ``started`` nor ``stopped``."""

    def __init__(self, stage: Stage, life: Life, leaf: Leaf) -> None:
        self.stage = stage
        self.journal = stage.journal
        self.life = life
        self.trap_exits = leaf.trap
        self.post = Post(stage, life.name, life)
        self.owed: dict[int, Reply[int]] = {}
        self.work: dict[int, Job] = {}

    def bind(self, cell: Cell) -> None:
        super().bind(cell)
        self.journal.lives.entered(self.life, cell)

    # What it is told.

    @on(Letter)
    async def letter(self, message: Letter) -> None:
        with self.turn(message):
            await self.suffer()
            await self.perform(message.deeds, self.post)

    @on(Note)
    def note(self, message: Note) -> None:
        with self.turn(message):
            self.suffer_at_once()
            self.act(message.deeds)

    @on(Query)
    async def query(self, message: Query) -> int | Reply[int]:
        with self.turn(message):
            await self.suffer()
            await self.perform(message.deeds, self.post)
            return self.reply_to(message)

    @on(Quiz)
    def quiz(self, message: Quiz) -> int | Reply[int]:
        with self.turn(message):
            self.suffer_at_once()
            self.act(message.deeds)
            return self.reply_to(message)

    @on(Letter, state="paused")
    def put_letter_aside(self, _: Letter) -> None:
        self.stash()

    @on(Note, state="paused")
    def put_note_aside(self, _: Note) -> None:
        self.stash()

    @on(Query, state="paused")
    def put_query_aside(self, _: Query) -> int:
        self.stash()
        return 0

    @on(Quiz, state="paused")
    def put_quiz_aside(self, _: Quiz) -> int:
        self.stash()
        return 0

    @on(Resume)
    def resume(self, _: Resume) -> None:
        with self.journal.lives.inside(self.life, "resume"):
            self.become("")

    @on(Tick)
    def tick(self, message: Tick) -> None:
        with self.journal.lives.inside(self.life, "tick"):
            self.journal.timers.fired(self.life, message.id)

    @on(Due)
    def due(self, message: Due) -> None:
        with self.journal.lives.inside(self.life, "due"):
            self.answer(message.id)

    @on(Gone)
    def gone(self, message: Gone) -> None:
        with self.journal.lives.inside(self.life, "gone"):
            self.journal.note(f"gone {self.life.name} {message.id}")
            self.owed.pop(message.id, None)

    @on(Done)
    def done(self, message: Done) -> None:
        with self.journal.lives.inside(self.life, "done"):
            self.work.pop(message.id, None)
            self.journal.jobs.done(self.life, message.id)

    @on(Down)
    def down(self, message: Down) -> None:
        with self.journal.lives.inside(self.life, "down"):
            self.journal.downs.down(self.life, message)

    @contextmanager
    def turn(self, message: Mail) -> Generator[None]:
        """Around every handler of a message that somebody sent."""
        with self.journal.lives.inside(self.life, type(message).__name__):
            self.journal.mail.begin(self.life, message)
            yield
            self.journal.mail.finish(message)

    # What it suffers.

    async def suffer(self) -> None:
        """The fault of this handler."""
        await suffer(self.journal.faults.next("handler", self.life.path))

    def suffer_at_once(self) -> None:
        """The fault of this handler, which cannot wait: it crashes, whatever the fault."""
        fault = self.journal.faults.next("handler", self.life.path)
        if fault is not None:
            raise Trouble(fault.kind)

    # What it does.

    async def perform(self, deeds: tuple[Deed, ...], post: Post) -> None:
        """One deed after the other."""
        for deed in deeds:
            match deed.verb:
                case "sleep":
                    await anyio.sleep(deed.amount)
                case "call":
                    await post.call(deed.target, deed.deeds, deed.amount)
                case "send":
                    await post.send(deed.target, deed.deeds, deed.amount)
                case "dismiss":
                    with self.journal.calls.dismissing(self.life, deed.target):
                        await self.stage.dismiss(deed.target, deed.amount)
                case _:
                    self.act((deed,), post)

    def act(self, deeds: tuple[Deed, ...], post: Post | None = None) -> None:
        """Deeds that take no time."""
        for deed in deeds:
            if deed.verb == "cast":
                (post or self.post).cast(deed.target, deed.deeds)
            elif deed.verb != "defer":
                _INSTANT[deed.verb](self, deed)

    def reply_to(self, message: Query) -> int | Reply[int]:
        """Reply, now or later."""
        later = next((deed for deed in message.deeds if deed.verb == "defer"), None)
        if later is None:
            self.journal.calls.answered(message.id)
            return answer_to(message.id)
        token = self.owed[message.id] = self.defer(Gone(message.id))
        if later.amount < inf:
            self.after(later.amount, Due(message.id))
        return token

    def answer(self, id: int) -> None:
        """Send a reply that was deferred."""
        token = self.owed.pop(id, None)
        if token is None:
            return
        self.journal.calls.answered(id)
        if is_refused(id):
            token.fail(Refusal(str(id)))
        else:
            token.send(answer_to(id))

    def start_job(self, deed: Deed) -> None:
        id = next(self.journal.ids)
        self.journal.jobs.began(self.life, id)
        self.work[id] = self.run(self.job(id, deed), then=self.job_over, name=f"job-{id}")

    async def job(self, id: int, deed: Deed) -> int:
        """A job's own work."""
        with self.journal.lives.working(self.life):
            fault = self.journal.faults.next("job", self.life.path)
            self.life.held = self.life.held or fault is not None
            await suffer(fault)
            await anyio.sleep(deed.amount)
            await self.perform(deed.deeds, Post(self.stage, f"{self.life.name}/{id}", self.life, job=True))
            self.journal.jobs.finished(id)
            return id

    def job_over(self, id: int) -> Done:
        """Turns a job's result into a message."""
        if self.journal.faults.next("then", self.life.path):
            self.life.struck = True
            raise Trouble("then_crash")
        return Done(id)

    def drop(self, _: Deed) -> None:
        if self.work:
            id, job = self.work.popitem()
            self.journal.jobs.dropped(id)
            job.cancel()

    def pause(self, deed: Deed) -> None:
        self.become("paused")
        self.after(deed.amount, Resume())

    def answer_oldest(self, _: Deed) -> None:
        if self.owed:
            self.answer(next(iter(self.owed)))

    def set_timer(self, deed: Deed) -> None:
        id = next(self.journal.ids)
        self.journal.timers.set(self.life, id, deed.amount, deed.target)
        self.after(deed.amount, Tick(id), key=deed.target or None)

    def cancel(self, deed: Deed) -> None:
        self.journal.timers.cancelled(self.life, deed.target)
        self.cancel_timer(deed.target)

    def watch(self, deed: Deed) -> None:
        target = self.journal.lives.known(deed)
        if target is not None:
            self.journal.downs.monitors(self.life, target)
            self.monitor(target.cell.ref)

    def bind_fate(self, deed: Deed) -> None:
        target = self.journal.lives.known(deed)
        if target is not None and target is not self.life:
            self.journal.downs.links(self.life, target)
            self.link(target.cell.ref)

    def enlist(self, deed: Deed) -> None:
        self.journal.groups.joined(self.life, deed.target)
        self.join(deed.target)

    def resign(self, deed: Deed) -> None:
        self.journal.groups.left(self.life, deed.target)
        self.leave(deed.target)

    def end(self, deed: Deed) -> None:
        exit = Shutdown("done") if deed.amount else Normal()
        self.life.said = self.life.said or self._cell.verdict or exit
        self.stop(exit)


_INSTANT: dict[str, Callable[[Extra, Deed], object]] = {
    "answer": Extra.answer_oldest,
    "become": Extra.pause,
    "drop": Extra.drop,
    "job": Extra.start_job,
    "join": Extra.enlist,
    "leave": Extra.resign,
    "link": Extra.bind_fate,
    "monitor": Extra.watch,
    "stop": Extra.end,
    "timer": Extra.set_timer,
    "untimer": Extra.cancel,
}


class Player(Extra):
    """A worker that takes its time to start and to stop."""

    async def started(self) -> None:
        with self.journal.lives.inside(self.life, "started"):
            fault = self.journal.faults.next("start", self.life.path)
            if fault is not None and fault.kind == "start_ignore":
                self.decline()
            await suffer(fault)
        self.life.ready = True

    def decline(self) -> None:
        """Not to start, which is no failure; nobody starts it again by himself."""
        self.life.said = Normal()
        self.stop(self.life.said)
        above = self.life.parent
        if above is not None:
            above.actor.dismissed.add(self.life.node.id)

    async def stopped(self, exit: Exit) -> None:
        with self.journal.lives.inside(self.life, "stopped"):
            self.journal.note(f"stop {self.life.name} {exit}")
            self.life.told, self.life.told_at = exit, self.journal.now()
            self.journal.orders.stops(self.life, exit)
            fault = self.journal.faults.next("stop", self.life.path)
            self.life.held = self.life.held or fault is not None
            await suffer(fault)
