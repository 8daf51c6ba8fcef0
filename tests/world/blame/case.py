"""One way in which something can fail while an agent works, and what the page says about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from greenroom.messages import Phase
from tests.world.models.server import Answer

if TYPE_CHECKING:
    from tests.world.blame.scene import Scene

Part = Literal["sandbox", "model", "store", "engine", "time", "agent"]
"""What fails. The agent's own failures are here for those that fall together with others."""

Ground = Literal["simulated", "local", "docker"]
GROUNDS: tuple[Ground, ...] = ("simulated", "local", "docker")

Often = Literal["once", "always"]
"""In the first attempt alone, or in each."""

Deed = Callable[["Scene"], Awaitable[None]]
"""What happens at the moment."""

Over = Literal["upstream", "black_box"]

Fields = dict[str, Any]


class Case(Struct, frozen=True, kw_only=True):
    """A row of the table of cases."""

    name: str
    of: Part
    cause: str
    """The row of the page that it is, in an attempt in which it happens."""
    phase: Phase = "agent"
    """When it happens: at a random moment of this phase."""
    at_call: bool = False
    """It happens while a call of the model is open."""
    deed: Deed | None = None
    """What happens then. ``None``: the fields and options, or the model, make it happen."""
    model: Callable[[Scene], Any] | None = None
    """Who answers, instead of a model that works."""
    serve: Callable[[Scene], Answer] | None = None
    """What the model's server says, where the model is one over HTTP."""
    over: Over = "upstream"
    """How it is reached."""
    task: Fields = field(default_factory=dict[str, Any])
    """Fields of the task."""
    engine: Fields = field(default_factory=dict[str, Any])
    """Options of the engine."""
    agent: str = "worker"
    """How the agent behaves: see `tests.world.blame.worker`."""
    on: tuple[Ground, ...] = GROUNDS
    often: tuple[Often, ...] = ("once", "always")
    attempts: int | None = None
    """How many are made, where the page does not say it all: there may be no time for another."""
    kind: str = ""
    """The fault's kind, where it is part of what is promised."""
    needs: tuple[str, ...] = ()
    """What it takes; see `tests/plugins/needs.py`."""
    wrong: str = ""
    """Why it is known to fail; empty: it does not."""

    @property
    def infrastructure(self) -> bool:
        """Whether the agent has no part in it."""
        return self.of != "agent"
