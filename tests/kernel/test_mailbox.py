from __future__ import annotations

from typing import Any, get_args

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from greenroom.kernel import CallTimeout, Down, MailboxFull, NotDelivered, Ref, System, on
from greenroom.kernel._mailbox import Mailbox, Overflow
from tests.kernel.players import Crash, Hang, Heard, Leave, Player, Say, Wait, ask, player, temporary


async def hanging(system: System, overflow: Overflow, mailbox: float = 3) -> Ref:
    """A player that is busy for ever, with an empty and bounded mailbox."""
    ref = await system.start(player("one", [], mailbox=mailbox, overflow=overflow, shutdown="brutal"))
    ref.cast(Hang())
    await anyio.wait_all_tasks_blocked()
    return ref


@pytest.mark.anyio
async def test_a_full_mailbox_fails_at_the_sender() -> None:
    """Senders learn at once that there is no room; nothing is queued, and calls fail in a way that may be retried."""
    async with System() as system:
        ref = await hanging(system, "fail")
        for number in range(3):
            ref.cast(Say(str(number)))
        with pytest.raises(MailboxFull, match=r"/one: mailbox is full \(3\)"):
            ref.cast(Say("one too many"))
        with pytest.raises(NotDelivered, match="mailbox full"):
            await ref.call(Heard())
        [_, row] = system.tree()
        assert row.mailbox == 3


@pytest.mark.anyio
@pytest.mark.parametrize(("overflow", "kept"), [("drop_new", ["0", "1", "2"]), ("drop_old", ["2", "3", "4"])])
async def test_a_full_mailbox_may_drop(overflow: Overflow, kept: list[str]) -> None:
    """The newest or the oldest message goes to the dead letters, and the sender does not hear of it."""
    async with System() as system:
        ref = await system.start(player("one", [], mailbox=3, overflow=overflow))
        for number in range(5):
            ref.cast(Say(str(number)))
        await anyio.wait_all_tasks_blocked()
        assert await ref.call(Heard()) == kept
        assert system.dead_letters == 2


@pytest.mark.anyio
async def test_a_full_mailbox_may_make_its_senders_wait_in_line() -> None:
    """Blocked senders are let in first come, first served, as room appears; a cast, which cannot wait, is refused."""
    async with System() as system:
        ref = await system.start(player("one", [], mailbox=2, overflow="block"))
        async with anyio.create_task_group() as group:
            group.start_soon(ref.call, Wait(1), 60)
            await anyio.wait_all_tasks_blocked()
            ref.cast(Say("a"))
            ref.cast(Say("b"))
            with pytest.raises(MailboxFull):
                ref.cast(Say("pushy"))
            for word in "cdefg":
                group.start_soon(ref.send, Say(word), 60)
                await anyio.wait_all_tasks_blocked()
        assert await ref.call(Heard()) == list("abcdefg")


class Expect(Struct, frozen=True):
    """Have a job, a timer and the end of this actor bring news within a few seconds."""

    ref: Ref


class Expecting(Player):
    @on(Expect)
    def expect(self, message: Expect) -> None:
        self.monitor(message.ref)
        self.after(2, Say("time"))
        self.run(anyio.sleep(3), then=lambda _: Say("result"))

    @on(Down)
    def down(self, _: Down) -> None:
        self.heard.append("down")


@pytest.mark.anyio
@pytest.mark.parametrize("overflow", get_args(Overflow))
async def test_a_full_mailbox_takes_what_its_actor_waits_for(overflow: Overflow) -> None:
    """The bound is for others: no timer, no `Down` and no result of a job is refused, dropped or pushed out."""
    answers: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        other = await system.start(player("other", [], restart="temporary"))
        ref = await system.start(temporary(lambda: Expecting("one", []), mailbox=1, overflow=overflow))
        await ref.send(Expect(other))
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask, answers, ref, Wait(10))
        await anyio.wait_all_tasks_blocked()
        ref.cast(Say("from outside"))
        other.cast(Leave())
        await anyio.sleep(5)
        if overflow == "drop_old":
            ref.cast(Say("no room for it"))
        await anyio.sleep(10)
        news = [text for text in await ref.call(Heard()) if text in ("down", "time", "result")]
        assert news == ["down", "time", "result"]


@pytest.mark.anyio
async def test_waiting_for_room_has_a_deadline() -> None:
    """A sender that finds no room in time gets `CallTimeout`, and leaves the line."""
    async with System() as system:
        ref = await hanging(system, "block", mailbox=1)
        ref.cast(Say("last place"))
        with pytest.raises(CallTimeout, match="/one had no room within 32 s"):
            await ref.send(Say("me too"), timeout=32)
        assert 32 <= anyio.current_time() <= 34


@pytest.mark.anyio
async def test_a_suspended_actor_lets_nobody_in() -> None:
    """Senders wait in line before a full mailbox nobody reads, and come in when it goes on."""
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(player("one", [], mailbox=1, overflow="block"))
        system.suspend(ref)
        for word in "abc":
            group.start_soon(ref.send, Say(word), 100)
            await anyio.wait_all_tasks_blocked()
        await anyio.sleep(10)
        [_, row] = system.tree()
        assert row.mailbox == 1
        system.suspend(ref, on=False)
        await anyio.wait_all_tasks_blocked()
        assert await ref.call(Heard()) == ["a", "b", "c"]


@pytest.mark.anyio
async def test_waiting_for_room_ends_when_the_actor_does() -> None:
    """Senders in line before an actor that dies do not wait for their deadline."""
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await hanging(system, "block", mailbox=1)
        ref.cast(Say("last place"))
        for _ in range(3):
            group.start_soon(ask, outcomes, ref, Heard())
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        system.kill(ref)
        await anyio.wait_all_tasks_blocked()
        assert [type(outcome) for outcome in outcomes] == [NotDelivered] * 3
        assert anyio.current_time() - began < 1


@pytest.mark.anyio
async def test_a_stop_overtakes_all_messages() -> None:
    """The system lane is looked at between any two messages: a full user lane does not delay an end."""
    log: list[str] = []
    outcomes: list[object] = []
    async with System() as system, anyio.create_task_group() as group:
        ref = await system.start(player("one", log, restart="temporary"))
        group.start_soon(ask, outcomes, ref, Wait(1))
        await anyio.wait_all_tasks_blocked()
        for _ in range(1000):
            ref.cast(Crash())
        await system.stop_child("one")
    assert log == ["one starts", "one stops: Shutdown"]
    assert system.dead_letters == 1000
    assert len(outcomes) == 1


@pytest.mark.anyio
async def test_a_suspended_actor_takes_signals_but_no_messages() -> None:
    """Suspended, it can be inspected and stopped; resumed, it goes on where it was. Twice is no error."""
    log: list[str] = []
    async with System() as system:
        ref = await system.start(player("one", log))
        for on in (True, True):
            system.suspend(ref, on=on)
        ref.cast(Say("wait"))
        with pytest.raises(CallTimeout):
            await ref.call(Heard(), timeout=1)
        [_, row] = system.tree()
        assert (row.state, row.mailbox) == ("suspended", 2)
        system.suspend(ref, on=False)
        assert await ref.call(Heard()) == ["wait"]
        system.suspend(ref)
        await system.stop_child("one")
    assert log[-1] == "one stops: Shutdown"


@pytest.mark.anyio
async def test_a_restart_discards_the_mailbox() -> None:
    """What waited for an incarnation that crashed is not handed to the next one."""
    async with System() as system:
        ref = await system.start(player("one", []))
        ref.cast(Crash())
        ref.cast(Say("for the old one"))
        ref.cast(Leave())
        await system.join(ref)
        await anyio.wait_all_tasks_blocked()
        assert await system.lookup("/one").call(Heard()) == []
        assert system.dead_letters == 2


@given(
    limit=st.integers(1, 5),
    overflow=st.sampled_from(["fail", "block", "drop_new", "drop_old"]),
    script=st.lists(st.booleans(), max_size=40),
)
def test_nothing_is_ever_lost_without_a_word(limit: int, overflow: Overflow, script: list[bool]) -> None:
    """Whatever comes and goes: what was taken, refused and what still waits is all there was, and the bound holds."""
    box = Mailbox(limit, overflow)
    offered: list[int] = []
    taken: list[int] = []
    refused: list[Any] = []
    for number, take in enumerate(script):
        if take and box.user:
            taken.append(box.user.popleft())
        elif not take:
            offered.append(number)
            left_over = box.offer(number)
            refused += [] if left_over is None else [left_over]
        assert len(box.user) <= limit
    assert sorted([*taken, *refused, *box.user]) == offered
    assert taken == sorted(taken)
