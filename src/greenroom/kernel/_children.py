"""A supervisor's records of its children, and what it checks before there are any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from msgspec import Struct

from greenroom.kernel._exit import Exit
from greenroom.kernel._rest import Spare
from greenroom.kernel._restart import AutoShutdown, Strategy

if TYPE_CHECKING:
    from greenroom.kernel._childspec import ChildSpec


class Child(Struct, eq=False):
    """A supervisor's record of one child. ``cell`` is None while it does not run."""

    spec: ChildSpec
    cell: Any = None
    restarting: bool = False
    restarts: int = 0
    last_exit: Exit | None = None
    spare: Spare | None = None
    """Of a child that can be done without, once it has failed."""


def check(
    specs: Sequence[ChildSpec], strategy: Strategy, intensity: int, period: float, auto_shutdown: AutoShutdown
) -> None:
    """What a supervisor is made from makes sense. Raises `ValueError`."""
    for name, value, allowed in (
        ("strategy", strategy, get_args(Strategy)),
        ("auto_shutdown", auto_shutdown, get_args(AutoShutdown)),
    ):
        if value not in allowed:
            text = f"{name}={value!r} must be one of {', '.join(allowed)}"
            raise ValueError(text)
    if intensity < 0 or not 0 < period < math.inf:
        text = f"intensity={intensity!r} must be 0 or more restarts, period={period!r} a positive number of seconds"
        raise ValueError(text)
    for spec in specs:
        check_rest(spec, strategy)
    ids = [spec.id for spec in specs]
    if len(set(ids)) != len(ids):
        text = f"child ids must differ: {', '.join(ids)}"
        raise ValueError(text)
    significant = [spec.id for spec in specs if spec.significant]
    if significant and auto_shutdown == "never":
        text = f"{significant[0]!r} is significant, which needs auto_shutdown"
        raise ValueError(text)


def check_rest(spec: ChildSpec, strategy: Strategy) -> None:
    """A child that can be done without has siblings that can do without it. Raises `ValueError`."""
    if spec.rest is not None and strategy in ("one_for_all", "rest_for_one"):
        text = f"child {spec.id!r} has a rest, which {strategy} cannot give it: its siblings depend on it"
        raise ValueError(text)
