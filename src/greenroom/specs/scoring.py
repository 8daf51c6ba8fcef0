"""Rewards by a Python function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from greenroom.specs.task import TaskSpec

Reward = float | dict[str, float]
"""One number, or several by name. All of them are finite."""


class Ran(Protocol):
    """A command that ran in the sandbox; a ``CommandResult``."""

    @property
    def command(self) -> str:
        """As it was given."""
        ...

    @property
    def exit_code(self) -> int:
        """``-N`` when signal N ended it."""
        ...

    @property
    def output(self) -> str:
        """Standard output and error, the tail of it when long. Hostile input."""
        ...

    @property
    def timed_out(self) -> bool:
        """Its time was up."""
        ...


class Evidence(Protocol):
    """What a scorer is given: the task, and the sandbox the agent left, in which nothing of the agent runs any more."""

    @property
    def task(self) -> TaskSpec:
        """What the agent was asked."""
        ...

    @property
    def commands(self) -> Sequence[Ran]:
        """The verify commands that ran."""
        ...

    async def read(self, path: str, *, limit: int = 1024 * 1024) -> bytes:
        """At most ``limit`` bytes of a regular file: absolute, or relative to the work directory.

        Raises:
            FileNotFoundError: There is none, or it is none.
        """
        ...

    async def run(self, command: str) -> Ran:
        """Run a shell command in the sandbox, within the verifier's budget. It is recorded with the others."""
        ...


Scorer = Callable[[Evidence], Awaitable[Reward | None]]
"""Judges what an agent left. ``None``: it cannot tell, and the rollout is unscored. To raise is the task's fault."""

if TYPE_CHECKING:
    Score = Scorer | str
    """A scorer, or where it is: ``"package.module:function"``."""
else:
    # A file can only hold the text, so that is all that tasks are read and written with.
    Score = Any
