from __future__ import annotations

from greenroom.sandboxes.breaker import Breaker


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_after_failures_in_a_row_and_rests() -> None:
    """Two failures open it for its rest, with the last error; then one more failure is enough."""
    clock = Clock()
    breaker: Breaker[str] = Breaker(limit=2, rest=60.0, clock=clock)
    breaker.failed("a", "one")
    assert breaker.open("a") is None
    breaker.failed("a", "two")
    assert (breaker.open("a"), breaker.open("b")) == ("two", None)
    clock.now = 60.0
    assert breaker.open("a") is None
    breaker.failed("a", "three")
    assert breaker.open("a") == "three"


def test_success_closes_it() -> None:
    """After a success it takes as many failures as at first."""
    breaker: Breaker[str] = Breaker(limit=2, rest=60.0, clock=Clock())
    breaker.failed("a", "one")
    breaker.succeeded("a")
    breaker.failed("a", "two")
    assert breaker.open("a") is None


def test_a_half_open_circuit_gets_one_try() -> None:
    """After its rest there is one try at a time; a failure opens it for twice as long, up to the longest rest."""
    clock = Clock()
    breaker: Breaker[str] = Breaker(limit=1, rest=10.0, clock=clock, longest=30.0)
    rests: list[float] = []
    for _ in range(4):
        breaker.failed("a", "no")
        assert (breaker.state("a"), breaker.ready("a", 0)) == ("open", False)
        rests.append(breaker.wait("a"))
        clock.now += breaker.wait("a")
        assert breaker.state("a") == "half_open"
        assert (breaker.ready("a", 0), breaker.ready("a", 1)) == (True, False)
    assert rests == [10.0, 20.0, 30.0, 30.0]
    breaker.succeeded("a")
    assert (breaker.state("a"), breaker.wait("a"), breaker.ready("a", 1000)) == ("closed", 0.0, True)
    breaker.failed("a", "no")
    assert breaker.wait("a") == 10.0


def test_failures_of_tries_that_began_before_do_not_prolong_the_rest() -> None:
    """What fails while the circuit is open already was tried before it opened, and says nothing new."""
    clock = Clock()
    breaker: Breaker[str] = Breaker(limit=2, rest=10.0, clock=clock, longest=100.0)
    for _ in range(9):
        breaker.failed("a", "no")
    assert breaker.wait("a") == 10.0
    clock.now = 10.0
    breaker.failed("a", "still")
    assert breaker.wait("a") == 20.0


def test_what_never_succeeded_is_tried_with_care() -> None:
    """Until the first success, no more tries are under way than may fail before the circuit opens."""
    breaker: Breaker[str] = Breaker(limit=3, rest=10.0, clock=Clock())
    assert [breaker.ready("a", trying) for trying in range(5)] == [True, True, True, False, False]
    breaker.failed("a", "no")
    assert [breaker.ready("a", trying) for trying in range(3)] == [True, True, False]
    breaker.succeeded("a")
    assert breaker.ready("a", 1000)


def test_a_reset_forgets_all_failures() -> None:
    """What was mended may be tried at once."""
    breaker: Breaker[str] = Breaker(limit=1, rest=10.0, clock=Clock())
    breaker.failed("a", "no")
    breaker.reset()
    assert breaker.open("a") is None
    assert breaker.ready("a", 0)
