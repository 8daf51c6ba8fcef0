"""From what was raised to a `Crashed`."""

from __future__ import annotations

from typing import Any, cast

import anyio

from greenroom.kernel._ask import kind_of
from greenroom.kernel._exit import Crashed


def is_cancellation(error: BaseException) -> bool:
    """Whether it is the event loop's own cancellation, and nothing else."""
    cancelled = anyio.get_cancelled_exc_class()
    return all(isinstance(leaf, cancelled) for leaf in _leaves(error))


def interrupt_in(error: BaseException) -> BaseException | None:
    """The wish to end the whole program, if that is what was raised, alone or in a group."""
    return next((leaf for leaf in _leaves(error) if isinstance(leaf, KeyboardInterrupt | SystemExit)), None)


def consists_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Whether it is of these kinds, or a group of nothing else."""
    return all(isinstance(leaf, kinds) for leaf in _leaves(error))


def root_cause(error: BaseException) -> BaseException:
    """Groups without their cancellations, flattened; a group of one is that one.

    Several real errors stay a group: none of them is hidden.
    """
    leaves = [leaf for leaf in _leaves(error) if not is_cancellation(leaf)]
    if len(leaves) == 1:
        return leaves[0]
    return BaseExceptionGroup("several failures", leaves) if leaves else error


def _leaves(error: BaseException) -> list[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for one in group.exceptions for leaf in _leaves(one)]


def crashed(error: BaseException, in_hand: object) -> Crashed:
    """The exit of an actor that raised ``error`` with ``in_hand``."""
    return Crashed(root_cause(error), _label(in_hand))


def _label(in_hand: Any) -> str:  # noqa: ANN401
    if isinstance(in_hand, str):
        return in_hand
    return str(getattr(in_hand, "name", kind_of(in_hand)))
