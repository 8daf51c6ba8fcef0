"""A field of a request, and what becomes of it."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from greenroom.specs import Dialect as DialectName

Fate = Literal["taken", "along", "note", "answered", "idle", "left", "refused"]
"""What becomes of a field.

``taken``: there is a neutral word for it. ``along``: it stays in ``ModelCall.extra``, and an upstream is told.
``note``: the model reads what it says, or that it was there. ``answered``: greenroom does it. ``idle``: it would change
nothing here. ``left``: it cannot be had here; it stays in ``ModelCall.extra``, and `UpstreamModel` logs that once.
``refused``: the request is answered 400.
"""
OTHER = "any other field"
"""The row for the fields of a body that the table does not name."""


class Field(Struct, frozen=True):
    """One row of the table."""

    dialect: DialectName
    field: str
    """Where it is: names joined by dots, ``[]`` for each item of a list, ``[type=x]`` for those of one kind."""
    fate: Fate
    becomes: str
    """The same in words, with why where that is no matter of course."""
    upstream: str = ""
    """What a server of chat completions gets; empty for nothing."""
