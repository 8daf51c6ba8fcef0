"""One request, one turn: which requests are the same call, decided without waiting or time."""

from __future__ import annotations

import itertools
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from greenroom.interception.session import (
    TABLE,
    Action,
    Event,
    Exchange,
    Session,
    State,
    declares_retry,
    fingerprint,
    table,
)
from greenroom.messages import ChatMessage, ModelCall, Sampling, Text, Tool

CALL = ModelCall(id="", dialect="chat", model="m", messages=(ChatMessage("user", (Text("hi"),)),))


def ask(session: Session, identity: bytes = b"a", *, retry: bool = False) -> tuple[Action, Exchange]:
    """Make a request that is not refused."""
    action, exchange = session.request(identity, retry=retry)
    assert exchange is not None
    return action, exchange


def finish(session: Session, identity: bytes) -> None:
    """Take a call through its whole life."""
    _, exchange = ask(session, identity)
    session.settled(exchange, succeeded=True)
    session.sent(exchange)
    session.left(exchange)


def test_the_table_can_be_printed() -> None:
    """Every state and event that can meet has its line in the printed table."""
    lines = table().splitlines()
    assert len(lines) == len(TABLE)
    assert "delivered  + declared retry -> delivered  replay" in lines


def test_a_request_is_understood_in_every_state() -> None:
    """Whatever state an exchange is in, the same request, declared a retry or not, has an answer in the table."""
    assert {(state, event) for state in State for event in (Event.SAME, Event.RETRY)} <= set(TABLE)


def test_a_second_request_joins_the_first() -> None:
    """While an answer is awaited, the same request waits for it too, with or without saying that it is a retry."""
    session = Session()
    first, exchange = ask(session)
    assert first is Action.START
    assert [ask(session, retry=retry)[0] for retry in (False, True)] == [Action.JOIN, Action.JOIN]
    assert session.counters.calls == 1
    assert exchange.waiters == 3


def test_an_answer_nobody_got_is_given_again() -> None:
    """An answer that was lost on its way is replayed to the same request, though nothing says that it is a retry."""
    session = Session()
    _, exchange = ask(session)
    session.settled(exchange, succeeded=True)
    assert ask(session)[0] is Action.REPLAY


def test_asking_again_on_purpose_is_a_call_of_its_own() -> None:
    """Once the answer was delivered in full, the same request is a new call, unless it declares itself a retry."""
    session = Session()
    finish(session, b"a")
    assert ask(session, retry=True)[0] is Action.REPLAY
    action, exchange = ask(session)
    assert (action, exchange.index) == (Action.START, 1)


def test_the_last_one_out_starts_the_grace() -> None:
    """Only when the last request is gone is the answer let go, and one that comes back takes it up again."""
    session = Session()
    _, exchange = ask(session)
    ask(session)
    assert [session.left(exchange), session.left(exchange)] == [Action.NOTHING, Action.GRACE]
    states = [exchange.state]
    assert ask(session)[0] is Action.JOIN
    assert [*states, exchange.state] == [State.ORPHANED, State.PENDING]


def test_a_failed_call_is_started_again_uncounted() -> None:
    """A retry after a failure asks the model again, as the same call, and costs nothing of the budget."""
    session = Session(max_calls=1)
    _, exchange = ask(session)
    session.settled(exchange, succeeded=False)
    session.left(exchange)
    action, again = ask(session)
    assert (action, again.index) == (Action.RESTART, 0)
    assert session.counters.calls == 1


def test_the_budget_ends() -> None:
    """The call after the last one is refused and truncates, while retries of earlier ones are still served."""
    session = Session(max_calls=2)
    finish(session, b"a")
    finish(session, b"b")
    assert not session.truncated
    assert session.request(b"c", retry=False) == (Action.REFUSE, None)
    assert session.request(b"b", retry=False) == (Action.REFUSE, None)
    assert ask(session, b"b", retry=True)[0] is Action.REPLAY
    assert session.truncated


def test_memory_is_bounded() -> None:
    """Only so many finished calls are remembered, the latest ones, and a pending one is never forgotten."""
    session = Session(remembered=3)
    ask(session, b"pending")
    for number in range(10):
        finish(session, b"%d" % number)
    assert len(session) == 4
    assert ask(session, b"pending")[0] is Action.JOIN
    assert [ask(session, b"%d" % number, retry=True)[0] for number in (6, 7)] == [Action.START, Action.REPLAY]


def test_what_makes_requests_the_same() -> None:
    """Streaming does not tell requests apart; the conversation, tools, sampling, other fields and keys do."""
    different = [
        CALL,
        ModelCall(id="", dialect="chat", model="m", messages=(*CALL.messages, CALL.messages[0])),
        ModelCall(id="", dialect="chat", model="m", messages=CALL.messages, tools=(Tool("x"),)),
        ModelCall(id="", dialect="chat", model="m", messages=CALL.messages, sampling=Sampling(seed=1)),
        ModelCall(id="", dialect="chat", model="m", messages=CALL.messages, extra={"user": "x"}),
        ModelCall(id="", dialect="anthropic", model="m", messages=CALL.messages),
    ]
    prints = [*map(fingerprint, different), fingerprint(CALL, "key 1"), fingerprint(CALL, "key 2\udcff")]
    assert len(set(prints)) == len(prints)
    streamed = ModelCall(
        id="", dialect="chat", model="m", messages=CALL.messages, stream=True, extra={"stream_options": {}}
    )
    assert fingerprint(streamed) == fingerprint(CALL)


@pytest.mark.parametrize(
    ("headers", "declared"),
    [
        ({}, False),
        ({"x-stainless-retry-count": "0"}, False),
        ({"x-stainless-retry-count": "00"}, False),
        ({"x-stainless-retry-count": "2"}, True),
        ({"x-stainless-retry-count": "-1"}, False),
        ({"x-stainless-retry-count": "9" * 8000}, True),
        ({"x-stainless-retry-count": ""}, False),
        ({"idempotency-key": "k"}, True),
    ],
)
def test_what_declares_a_retry(headers: dict[str, str], declared: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The SDKs' retry count above zero, or an idempotency key, and no nonsense in their place."""
    assert declares_retry(headers) is declared


class Sessions(RuleBasedStateMachine):
    """Any order of requests, departures and answers."""

    waiting: Bundle[Exchange] = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(max_calls=6, remembered=2)
        self.running: list[Exchange] = []
        self.starts: list[int] = []

    @rule(target=waiting, identity=st.sampled_from([b"a", b"b", b"c"]), retry=st.booleans())
    def request(self, identity: bytes, retry: bool) -> Exchange | MultipleResults[Exchange]:  # noqa: FBT001 - drawn
        action, exchange = self.session.request(identity, retry=retry)
        if exchange is None:
            assert action is Action.REFUSE
            return cast("MultipleResults[Exchange]", multiple())
        if action in (Action.START, Action.RESTART):
            assert exchange not in self.running
            self.running.append(exchange)
        if action is Action.START:
            self.starts.append(exchange.index)
        return exchange

    @rule(exchange=consumes(waiting), in_full=st.booleans())
    def leave(self, exchange: Exchange, in_full: bool) -> None:  # noqa: FBT001 - drawn, not passed
        if in_full and exchange.state in (State.ANSWERED, State.DELIVERED):
            self.session.sent(exchange)
        self.session.left(exchange)

    @rule(data=st.data(), succeeded=st.booleans())
    def answer(self, data: st.DataObject, succeeded: bool) -> None:  # noqa: FBT001 - drawn, not passed
        if self.running:
            exchange = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
            self.session.settled(exchange, succeeded=succeeded)

    @invariant()
    def every_answer_is_asked_once(self) -> None:
        assert all(not exchange.finished for exchange in self.running)

    @invariant()
    def calls_are_numbered_without_gaps(self) -> None:
        assert self.starts == list(itertools.islice(itertools.count(), len(self.starts)))
        assert self.session.counters.calls == len(self.starts) <= 6

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.session) <= 2 + len(self.running)


def test_any_order_of_events() -> None:
    """Whatever the order of requests, departures and answers: one answer per call at a time, bounded memory."""
    run_state_machine_as_test(Sessions, settings=settings(max_examples=60, stateful_step_count=40))
