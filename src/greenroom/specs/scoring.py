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


class Message(Protocol):
    """One message of a conversation; a ``ChatMessage``."""

    @property
    def role(self) -> str:
        """``system``, ``user``, ``assistant`` or ``tool``."""
        ...

    @property
    def parts(self) -> Sequence[object]:
        """``Text``, ``Image``, ``Thinking``, ``ToolUse`` and ``ToolResult`` of `greenroom.messages`."""
        ...


class Answer(Protocol):
    """What the model answered; a ``Completion``."""

    @property
    def text(self) -> str:
        """All text parts joined."""
        ...

    @property
    def parts(self) -> Sequence[object]:
        """``Text``, ``Thinking`` and ``ToolUse`` of `greenroom.messages`."""
        ...

    @property
    def finish_reason(self) -> str:
        """``stop``, ``length``, ``tool_calls``, ``content_filter`` or ``unknown``."""
        ...


class Said(Protocol):
    """One request of the agent and its answer; a ``Turn``."""

    @property
    def index(self) -> int:
        """Which one of the attempt it is, from 0."""
        ...

    @property
    def messages(self) -> Sequence[Message]:
        """What is new in the request: that of an earlier turn is not repeated. Tools' results are among it."""
        ...

    @property
    def completion(self) -> Answer:
        """The answer."""
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

    @property
    def turns(self) -> Sequence[Said]:
        """The attempt's model calls that were answered, in order, as its record keeps them: `greenroom.messages.Turn`.

        Nothing is copied, so their size is that of what was said. Hostile input, as all that an agent says.
        """
        ...

    @property
    def last_message(self) -> str:
        """The text of the latest answer that has any; empty if there is none."""
        ...

    @property
    def agent_log(self) -> str:
        """What the agent printed, standard output and error, its last 64 KiB. Hostile input."""
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
