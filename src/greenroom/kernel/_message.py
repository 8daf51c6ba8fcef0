"""Messages and who handles them.

A message is a frozen Struct. A `Call[R]` is one that is answered with an ``R``. Handlers are chosen by the exact type
of the message, from a table made once per class: no chain of ``isinstance``, nothing looked up by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Union, get_args, get_origin, overload

from msgspec import Struct

if TYPE_CHECKING:
    from greenroom.kernel._ask import Reply

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
M = TypeVar("M")
A = TypeVar("A")

Handler = Callable[[Any, Any], Any]
_MARK = "__greenroom_handles__"


class Call(Struct, Generic[R_co], frozen=True):
    """Base of requests: ``class Add(Call[int], frozen=True)`` is answered with an ``int``.

    Covariant: where a ``Call[Animal]`` is asked for, a ``Call[Dog]`` will do.
    """


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


@cache
def may_be_none(message: Hashable) -> bool:
    """Whether None can be the answer to a call: false only where its class says for certain that it cannot."""
    for base in getattr(message, "__orig_bases__", ()):
        if get_origin(base) is Call:
            (answer,) = get_args(base)
            kinds = get_args(answer) if get_origin(answer) in (Union, UnionType) else (answer,)
            return not all(_is_something(get_origin(kind) or kind) for kind in kinds)
    return True


def _is_something(kind: object) -> bool:
    """Whether it is a class that None is no instance of; of a name, or a word of `typing`, nobody knows."""
    return isinstance(kind, type) and kind.__module__ != "typing" and not isinstance(None, kind)


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
