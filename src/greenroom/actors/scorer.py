"""Rewards by a Python function: finds it, and gives it its evidence."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module

from msgspec import Struct

from greenroom.actors.commands import Shell
from greenroom.actors.preparation import Record
from greenroom.messages import CommandResult, Turn
from greenroom.specs import Scorer, TaskSpec


class Testimony(Struct, frozen=True):
    """What the agent said, as its attempt's record will have it."""

    turns: tuple[Turn, ...] = ()
    log: str = ""


class SandboxEvidence:
    """See `greenroom.specs.Evidence`."""

    def __init__(
        self,
        task: TaskSpec,
        shell: Shell,
        commands: Sequence[CommandResult],
        record: Record,
        testimony: Testimony,
    ) -> None:
        self.task = task
        self.turns = testimony.turns
        self.agent_log = testimony.log
        self._commands = list(commands)
        self._shell = shell
        self._record = record

    @property
    def commands(self) -> tuple[CommandResult, ...]:
        """Those that ran, the scorer's own included."""
        return tuple(self._commands)

    @property
    def last_message(self) -> str:
        """The latest answer that has a text."""
        texts = (turn.completion.text for turn in reversed(self.turns))
        return next((text for text in texts if text.strip()), "")

    async def read(self, path: str, *, limit: int = 1024 * 1024) -> bytes:
        """At most ``limit`` bytes of a regular file. Raises `FileNotFoundError`."""
        return await self._shell.sandbox.read(path, limit=limit)

    async def run(self, command: str) -> CommandResult:
        """Run a shell command within the verifier's budget."""
        result = await self._shell.run(command)
        self._commands.append(result)
        self._record(result)
        return result


def find_scorer(score: Scorer | str) -> Scorer:
    """The function.

    Raises:
        ValueError: There is none, or it is not async. The text says so.
    """
    found = _imported(score) if isinstance(score, str) else score
    if not inspect.iscoroutinefunction(found) and not inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004 - its type is asked for
        raise ValueError(f"{score!r} is not an async function")
    return found


def _imported(place: str) -> Scorer:
    module, _, name = place.partition(":")
    try:
        found: Scorer = getattr(import_module(module), name)
    except Exception as error:  # a boundary: other people's code, imported
        raise ValueError(f"{place!r} cannot be imported: {type(error).__name__}: {error}") from error
    return found
