"""Tools that run beside the engine instead of in the sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct


class HostTool(Struct, frozen=True, forbid_unknown_fields=True):
    """A tool the model may use although the agent does not know of it.

    Its schema is put into every request that lacks it. When the model uses it, it is run on the engine's event loop and
    the model is asked again; the agent gets the answer that comes of it, and sees nothing of the tool. So it works with
    any agent as it is.
    """

    name: str
    """Letters, digits, ``_`` and ``-``, at most 64. ``reset``, ``step``, ``state`` and ``close`` are taken."""
    description: str
    """What the model is told about it."""
    parameters: dict[str, Any]
    """JSON schema of its arguments: an object."""
    run: Callable[..., Awaitable[str]]
    """``await run(arguments, call)``: a JSON object that the model wrote, unchecked, and the ``ModelCall`` it came
    with. What it returns, the model reads. If it raises, the model is told that the tool failed, and nothing of why."""
    seconds: float = 60.0
    """How long it may take; then the model is told that it took too long."""
