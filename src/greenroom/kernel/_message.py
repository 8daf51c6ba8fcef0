"""Messages and who handles them.

A message is a frozen Struct. A `Call[R]` is one that is answered with an ``R``. Handlers are chosen by the exact type
of the message, from a table made once per class: no chain of ``isinstance``, nothing looked up by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from msgspec import Struct

if TYPE_CHECKING:
    from greenroom.kernel._ask import Reply

R = TypeVar("R")
M = TypeVar("M")
A = TypeVar("A")

Handler = Callable[[Any, Any], Any]
_MARK = "__greenroom_handles__"


class Call(Struct, Generic[R], frozen=True):
    """Base of requests: ``class Add(Call[int], frozen=True)`` is answered with an ``int``."""


@overload
def on(  # type: ignore[overload-overlap] # pyright: ignore[reportOverlappingOverload] - a Call is a message too; the first that fits is meant
    message: type[Call[R]], *, state: str = ""
) -> Callable[
    [Callable[[A, Any], R | Reply[R] | Awaitable[R | Reply[R]]]],
    Callable[[A, Any], R | Reply[R] | Awaitable[R | Reply[R]]],
]: ...
@overload
def on(
    message: type[M], *, state: str = ""
) -> Callable[[Callable[[A, M], Awaitable[None] | None]], Callable[[A, M], Awaitable[None] | None]]: ...
def on(message: type[Any], *, state: str = "") -> Callable[[Handler], Handler]:
    """Mark a method as the handler of one message type, in one ``state`` or, without it, in all.

    The method may be plain or ``async``. What it returns is the reply to a `Call`; a `Reply` taken with
    `Actor.defer` is answered later. An exception crashes the actor: its caller gets `ReplyLost`.
    """

    def mark(method: Handler) -> Handler:
        setattr(method, _MARK, (state, message))
        return method

    return mark


def handlers(actor: type) -> dict[str, dict[type, Handler]]:
    """The tables of a class, one a state: its own handlers over those of its bases, a state's own over the general."""
    marked: dict[tuple[str, type], Handler] = {}
    for base in reversed(actor.__mro__):
        for method in vars(base).values():
            mark = getattr(method, _MARK, None)
            if mark is not None:
                marked[mark] = method
    general = {message: method for (state, message), method in marked.items() if not state}
    tables = {"": general}
    for (state, message), method in marked.items():
        if state:
            tables.setdefault(state, dict(general))[message] = method
    return tables
