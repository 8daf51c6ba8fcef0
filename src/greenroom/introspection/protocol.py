"""The words of the console's socket: newline-delimited JSON, one request a line, one answer a line.

A client says ``{"verb": "tree", "path": "/engine"}`` and gets ``{"ok": true, "value": [...]}`` or
``{"ok": false, "error": "..."}``. After ``events`` every line is an event, until the client hangs up. All verbs but
``set`` only look: ``{"verb": "set", "changes": {"concurrency": "400"}}`` changes all of them, or none. Readers skip
fields they do not know, so either side may be the newer one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct, field

VERSION: Final = 1
"""Of the protocol; `Hello` carries it."""
LINE_LIMIT: Final = 64 * 1024
"""Bytes of one request, its newline included."""


class Request(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a client asks."""

    verb: str
    path: str = "/"
    changes: dict[str, str] = field(default_factory=dict[str, str])
    """For ``set``: settings by name, as text."""


class Answer(Struct, frozen=True, omit_defaults=True):
    """What it gets. ``ok`` is always written."""

    ok: bool
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


class Hello(Struct, frozen=True):
    """Who answers."""

    name: str = ""
    pid: int = 0
    version: str = ""
    """Of greenroom."""
    protocol: int = VERSION
    verbs: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """One actor in a listing; the fields mean what they mean in `greenroom.kernel.ActorStatus`."""

    path: str
    kind: str = ""
    state: str = ""
    mailbox: int = 0
    high_water: int = 0
    handled: int = 0
    restarts: int = 0
    age: float = 0.0
    in_hand: str = ""
    waiting_on: str = ""
    jobs: tuple[str, ...] = ()
    state_name: str = ""
    trouble: str = ""


class Detail(Struct, frozen=True):
    """Everything about one actor. ``observed`` is plain data, keys masked."""

    status: Row
    observed: Any = None
    links: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    stack: tuple[str, ...] = ()
    last_crash: str = ""


class Happening(Struct, frozen=True):
    """One lifecycle event."""

    kind: str
    path: str
    detail: str = ""
    at: float = 0.0
    """Seconds on the engine's clock."""
    missed: int = 0
    """Events this client was too slow for, so far."""
