"""Whether the simulation would notice: the kernel is broken on purpose, in one place at a time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from greenroom.kernel import Actor, Backoff, Supervisor
from greenroom.kernel._ask import Reply
from greenroom.kernel._cell import Cell
from greenroom.kernel._mailbox import Mailbox
from greenroom.kernel._restart import Intensity
from greenroom.kernel._timers import Timer
from tests.simulation import strategy
from tests.simulation.plan import nodes
from tests.simulation.report import report
from tests.simulation.runner import Result, play

_ENOUGH = 400
"""Schedules in which each of these shows; most of them do in a handful."""

_stop_children = Supervisor._stop


def nothing(*_: object, **__: object) -> None:
    """What is done instead of what should be."""


def unstash_backwards(cell: Cell) -> None:
    """What was put aside comes back in the wrong order."""
    cell.mailbox.user.extendleft(cell.stash)
    cell.stash.clear()


async def stop_left_to_right(supervisor: Supervisor, ids: Sequence[str]) -> None:
    """The children are stopped in the order in which they were started."""
    await _stop_children(supervisor, list(reversed(ids)))


def always(*_: object) -> bool:
    """What is decided, whatever the question."""
    return True


def delay_by_chance(backoff: Backoff, _: int, __: random.Random) -> float:
    """A wait that no seed can bring back."""
    return backoff.first * (1 + random.random())  # noqa: S311


SABOTAGE: dict[str, tuple[type, str, Any]] = {
    "P1": (Cell, "unstash", unstash_backwards),
    "P2": (Mailbox, "full", property(lambda box: len(box.user) > box.limit)),
    "P4": (Supervisor, "_stop", stop_left_to_right),
    "P5": (Intensity, "admit", always),
    "P6": (Timer, "cancel", nothing),
    "P7": (Reply, "lose", nothing),
    "P8": (Actor, "link", nothing),
    "P9": (Cell, "suspended", property(lambda _: False, nothing)),
}


@pytest.mark.parametrize("promise", SABOTAGE)
def test_a_kernel_that_breaks_a_promise_is_found_out(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a few hundred schedules the broken promise is named, by itself or with those that rest on it."""
    monkeypatch.setattr(*SABOTAGE[promise])
    _, result = first_broken(promise)
    assert result.broken


def test_chance_that_is_not_seeded_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """P12: a schedule that goes another way when it is played again shows in its trace."""
    monkeypatch.setattr(Backoff, "delay", delay_by_chance)
    plans = map(strategy.make, range(_ENOUGH))
    assert any(play(plan, "trio").trace != play(plan, "trio").trace for plan in plans)


def test_a_failure_says_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report has the seed, the command that replays it, and a plan that is smaller and breaks the same promise."""
    monkeypatch.setattr(*SABOTAGE["P5"])
    seed, result = first_broken("P5")
    plan = strategy.make(seed)
    text = report(plan, "trio", result)
    assert result.broken[0] in text
    assert f"GREENROOM_SIMULATION_SEED={seed} python -m pytest tests/simulation/test_simulation.py -k trio" in text
    assert len(repr(plan)) > len(next(line for line in text.splitlines() if line.strip().startswith("Plan(")))
    assert len(list(nodes(plan.tree))) > 1


def first_broken(promise: str) -> tuple[int, Result]:
    """The first seed whose schedule breaks this promise."""
    for seed in count():
        result = play(strategy.make(seed), "trio")
        if any(line.startswith(f"{promise} ") for line in result.broken):
            return seed, result
        if seed == _ENOUGH:
            pytest.fail(f"{promise} is broken, and nobody noticed")
    raise AssertionError
