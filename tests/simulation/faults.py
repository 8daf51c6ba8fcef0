"""The faults of a plan, looked up where they strike, and what it is to suffer one."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import anyio

from tests.simulation.messages import Trouble
from tests.simulation.plan import Fault

Where = Literal["handler", "start", "job", "then", "stop", "step"]

_WHERE: dict[str, Where] = {"start": "start", "stop": "stop", "job": "job", "then": "then"}
_FROM_OUTSIDE = ("kill", "cancel", "raise")


class Faults:
    """Counts the handlers, starts, jobs and stops of each actor, and the faults that struck."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.from_outside = [fault for fault in faults if fault.kind in _FROM_OUTSIDE]
        self._table = {_place(fault): fault for fault in faults if fault.kind not in _FROM_OUTSIDE}
        self._counts: Counter[tuple[Where, str]] = Counter()
        self.struck = 0

    def next(self, where: Where, path: str = "") -> Fault | None:
        """One more of these happens there: the fault it is struck with, if any."""
        self._counts[where, path] += 1
        fault = self._table.get((where, path, self._counts[where, path]))
        self.struck += fault is not None
        return fault


def _place(fault: Fault) -> tuple[Where, str, int]:
    head, _, tail = fault.kind.partition("_")
    if tail == "step":
        return "step", "", fault.nth  # of all tasks together
    return _WHERE.get(head, "handler"), fault.target, fault.nth


async def suffer(fault: Fault | None) -> None:
    """Play a fault out."""
    if fault is None:
        return
    match fault.kind.rpartition("_")[2]:
        case "crash" | "fail":
            raise Trouble(fault.kind)
        case "hang":
            await anyio.sleep_forever()
        case "slow":
            await anyio.sleep(fault.amount)
        case "stubborn":
            with anyio.CancelScope(shield=True):
                await anyio.sleep(fault.amount)
        case "swallow":
            await _swallow()
        case _:
            pass


async def _swallow() -> None:
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        return  # the very thing nobody should do
