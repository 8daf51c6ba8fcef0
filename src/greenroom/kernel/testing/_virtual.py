"""Running an async function in virtual time, on either backend."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Literal, TypeVar, TypeVarTuple, Unpack, cast

import anyio

from greenroom.kernel.testing._deadlock import Deadlock
from greenroom.kernel.testing._loop import VirtualLoop

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Backend = Literal["asyncio", "trio"]
BACKENDS: Final[tuple[Backend, ...]] = ("asyncio", "trio")


def virtual_backend_options(backend: Backend, seed: int | None = None) -> dict[str, Any]:
    """AnyIO's ``backend_options`` for virtual time, good for one run at a time.

    Args:
        backend: ``"asyncio"`` or ``"trio"``.
        seed: Makes the order of tasks that are ready at the same time random, and the same for the same seed.

    Raises:
        ValueError: There is no such backend.
        RuntimeError: The installed trio lacks what virtual time needs of it.
    """
    if backend == "asyncio":
        return {"loop_factory": partial(VirtualLoop, seed)}
    if backend == "trio":
        return _trio_options(seed)
    raise ValueError(f"no backend {backend!r}: one of {', '.join(BACKENDS)}")


def run_virtual(
    func: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts, backend: Backend = "asyncio", seed: int | None = None
) -> T:
    """Run an async function to its end in virtual time: hours of sleeping take milliseconds.

    Args:
        func: The async function.
        args: Its positional arguments.
        backend: As in `virtual_backend_options`.
        seed: As in `virtual_backend_options`.

    Raises:
        Deadlock: Nothing can ever run again. `VirtualLoop` says what is not supported in virtual time.
    """
    try:
        return anyio.run(func, *args, backend=backend, backend_options=virtual_backend_options(backend, seed))
    except BaseException as error:
        # On trio it is raised in a task, and its nurseries wrap it.
        deadlock = _deadlock_in(error)
        if deadlock is None:
            raise
        raise deadlock from None


def _trio_options(seed: int | None) -> dict[str, Any]:
    # Not at the top: greenroom runs without trio.
    from greenroom.kernel.testing._autojump import Autojump

    jumper = Autojump(seed)
    return {"clock": jumper.clock, "instruments": [jumper]}


def _deadlock_in(error: BaseException | None) -> Deadlock | None:
    if error is None or isinstance(error, Deadlock):
        return error
    within = (
        cast("BaseExceptionGroup[BaseException]", error).exceptions if isinstance(error, BaseExceptionGroup) else ()
    )
    return next(filter(None, map(_deadlock_in, (error.__cause__, *within))), None)
