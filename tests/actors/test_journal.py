from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest

from greenroom.actors.board import Board
from greenroom.actors.journal import Commit, Journal, JournalView, Keep, Keeper, Note, Unstorable
from greenroom.actors.records import Record, Released
from greenroom.kernel import ChildSpec, Ref, System
from greenroom.messages import Outcome

pytestmark = pytest.mark.anyio


class FullDisk(Exception):
    """Nothing can be kept for the moment."""


class Shelf:
    """Keeps outcomes, unless the disk is full, or one of them is poison."""

    def __init__(self) -> None:
        self.full = False
        self.commits: list[list[str]] = []

    @property
    def kept(self) -> list[str]:
        return [name for batch in self.commits for name in batch]

    def commit(self, records: Sequence[Record]) -> None:
        if self.full:
            raise FullDisk("no space left on device")
        names = [name_of(record) for record in records]
        if "poison" in names:
            raise OverflowError("too large")
        self.commits.append(names)


def name_of(record: Record) -> str:
    """What tells one record from another."""
    return record.rollout_id if isinstance(record, Outcome) else str(record)


def outcome(name: str) -> Outcome:
    """An outcome that differs from others in its id alone."""
    return Outcome(rollout_id=name, task_id="t", group="g", sample=0, status="completed")


@asynccontextmanager
async def a_journal(shelf: Shelf, board: Board, *, blocking: bool = False) -> AsyncGenerator[Ref]:
    """A journal in a system of its own."""
    async with System() as system:
        keeper = Keeper(shelf.commit, FullDisk, blocking=blocking)
        yield await system.start(ChildSpec("journal", lambda: Journal(keeper, board, system.lookup("/rollouts"))))


async def test_announced_means_kept() -> None:
    """A commit is answered once the outcome is kept."""
    shelf = Shelf()
    async with a_journal(shelf, Board()) as journal:
        await journal.call(Commit(outcome("r-1")))
        assert shelf.kept == ["r-1"]


async def test_a_full_disk_pauses_admission_and_loses_nothing() -> None:
    """While nothing can be kept nothing is announced, the board says why, and all is kept once there is space."""
    shelf, board, announced = Shelf(), Board(), list[str]()
    shelf.full = True

    async def commit(name: str) -> None:
        await journal.call(Commit(outcome(name)), timeout=1e6)
        announced.append(name)

    async with a_journal(shelf, board) as journal, anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(commit, f"r-{number}")
        await anyio.sleep(3600)
        assert announced == []
        assert board.paused == "no space left on device"
        shelf.full = False
        await anyio.sleep(60)
        assert sorted(announced) == sorted(shelf.kept) == [f"r-{n}" for n in range(10)]
        assert board.paused == ""


async def test_trying_again_becomes_rarer() -> None:
    """On a disk that stays full the journal tries ever more rarely, and still at least twice a minute."""
    shelf, board, tries = Shelf(), Board(), list[float]()
    shelf.full = True

    class Counting(Shelf):
        def commit(self, records: Sequence[Record]) -> None:
            tries.append(anyio.current_time())
            shelf.commit(records)

    async with a_journal(Counting(), board) as journal:
        with anyio.move_on_after(600):
            await journal.call(Commit(outcome("r-1")), timeout=1e6)
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert waits[0] < 1
    assert 20 < waits[-1] <= 30
    assert waits[-1] > 10 * waits[0]


async def test_one_poisonous_outcome_does_not_take_others_along() -> None:
    """An outcome that can never be kept is refused to its run; those committed together with it are kept."""
    shelf, refused = Shelf(), list[str]()
    shelf.full = True

    async def commit(name: str) -> None:
        try:
            await journal.call(Commit(outcome(name)), timeout=1e6)
        except Unstorable as error:
            refused.append(f"{name}: {error}")

    async with a_journal(shelf, Board()) as journal, anyio.create_task_group() as group:
        for name in ("a", "poison", "b"):
            group.start_soon(commit, name)
        await anyio.sleep(1)
        shelf.full = False
    assert sorted(shelf.kept) == ["a", "b"]
    assert refused == ["poison: too large"]


@pytest.mark.real_time
async def test_outcomes_that_wait_go_together() -> None:
    """While one commit is being written, those that arrive are kept for the next one."""
    shelf = Shelf()

    async def commit(name: str) -> None:
        await journal.call(Commit(outcome(name)), timeout=10)

    async with a_journal(shelf, Board(), blocking=True) as journal:
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(commit, f"r-{number}")
        assert len(shelf.kept) == 50
        assert len(shelf.commits) < 25


async def test_a_note_goes_with_the_next_commit() -> None:
    """What may be lost is not written by itself as long as something else is on its way."""
    shelf = Shelf()
    async with a_journal(shelf, Board()) as journal:
        journal.cast(Note(Released("s-1")))
        await journal.call(Commit(outcome("r-1")))
        assert shelf.commits == [["Released(id='s-1')", "r-1"]]


async def test_a_note_does_not_wait_for_ever() -> None:
    """With nothing else to write, a note is written within seconds; at the latest when the journal ends."""
    shelf = Shelf()
    async with a_journal(shelf, Board()) as journal:
        journal.cast(Note(Released("s-1")))
        await anyio.sleep(2)
        assert shelf.kept == ["Released(id='s-1')"]
        journal.cast(Note(Released("s-2")))
        await journal.call(Keep(Released("s-3")))
        journal.cast(Note(Released("s-4")))
        await anyio.sleep(0.5)
    assert shelf.kept[-1] == "Released(id='s-4')"


async def test_on_a_full_disk_notes_wait_as_well() -> None:
    """What could not be written goes with what comes later, in order."""
    shelf = Shelf()
    shelf.full = True
    async with a_journal(shelf, Board()) as journal:
        journal.cast(Note(Released("s-1")))
        await anyio.sleep(5)
        shelf.full = False
        await journal.call(Commit(outcome("r-1")), timeout=60)
        assert shelf.kept == ["Released(id='s-1')", "r-1"]


async def test_it_shows_what_it_holds() -> None:
    """An observer sees how much waits and why."""
    shelf, board = Shelf(), Board()
    shelf.full = True
    async with System() as system:
        keeper = Keeper(shelf.commit, FullDisk, blocking=False)
        spec = ChildSpec("journal", lambda: Journal(keeper, board, system.lookup("/rollouts")))
        journal = await system.start(spec)
        with anyio.move_on_after(10):
            await journal.call(Commit(outcome("r-1")), timeout=1e6)
        seen = system.inspect("/journal")
        assert seen is not None
        assert seen.observed == JournalView(waiting=1, writing=0, committed=0, trouble="no space left on device")
