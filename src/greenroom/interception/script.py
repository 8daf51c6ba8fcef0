"""Script files: what a scripted model says, by task, sample, attempt and turn.

TOML, or JSON of the same shape when the name ends in ``.json``::

    [[script]]
    task = "fix-the-bug"        # a task id; "*", the default, is every task
    samples = [0, 1]            # which samples of it; left out: all
    attempts = [1]              # which attempts; left out: all

    [[script.turns]]
    thinking = "hm"             # optional
    text = "Let me look."       # optional
    delay = 0.5                 # seconds before the answer; default 0
    tools = [{ name = "bash", arguments = { command = "cat a.py" } }]

    [[script.turns]]
    fail = "unavailable"        # instead of text and tools: see below

    [[script.turns]]
    text = "Fixed."

The first script whose task, samples and attempts fit is used. Turn number n answers the conversation that has n turns
of the assistant in it, so a script needs no memory, and an attempt that is retried begins anew. After the last turn
the model says "done". A turn with tools finishes with ``tool_calls``, another one with ``stop`` or what ``finish``
says: ``stop``, ``length``, ``content_filter``.

``fail``: ``unavailable`` (500, retryable), ``overloaded`` (429), ``rejected`` (400, not retryable),
``context_length`` (the agent is ended politely), ``crash`` (the model raises), ``hang`` (it never answers). As the
turn is chosen by the conversation alone, an agent that tries again meets the same failure; limit it by ``attempts``
to see a rollout recover.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from msgspec import Struct

Failing = Literal["unavailable", "overloaded", "rejected", "context_length", "crash", "hang"]
Finish = Literal["stop", "length", "content_filter"]


class ScriptError(ValueError):
    """A script file cannot be used. The text names the file, the place and what is allowed there."""


class ScriptedTool(Struct, frozen=True, forbid_unknown_fields=True):
    """A tool call."""

    name: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class ScriptedTurn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer."""

    text: str = ""
    thinking: str = ""
    tools: tuple[ScriptedTool, ...] = ()
    delay: float = 0.0
    finish: Finish = "stop"
    fail: Failing | None = None


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The turns of some samples of a task."""

    task: str = "*"
    samples: tuple[int, ...] | None = None
    attempts: tuple[int, ...] | None = None
    turns: tuple[ScriptedTurn, ...]

    def fits(self, task: str, sample: int, attempt: int) -> bool:
        """Whether it is for this attempt."""
        return (
            self.task in ("*", task)
            and (self.samples is None or sample in self.samples)
            and (self.attempts is None or attempt in self.attempts)
        )


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    script: tuple[Script, ...]


_ALLOWED: tuple[tuple[str, type[Struct]], ...] = (
    (".tools[...]", ScriptedTool),
    (".turns[...]", ScriptedTurn),
    (".script[...]", Script),
    ("", _File),
)
_WORDS = {"fail": get_args(Failing), "finish": get_args(Finish)}


def load(path: str | Path) -> tuple[Script, ...]:
    """Read a script file.

    Raises:
        ScriptError: It cannot be read, parsed or used.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ScriptError(f"{path}: {error}") from None
    return _check(path, value)


def _check(path: Path, value: object) -> tuple[Script, ...]:
    try:
        scripts = msgspec.convert(value, _File).script
    except msgspec.ValidationError as error:
        raise ScriptError(f"{path}: {error}; {_allowed(str(error))}") from None
    for at, script in enumerate(scripts):
        for number, turn in enumerate(script.turns):
            if problem := _problem(turn):
                raise ScriptError(f"{path}: {problem} - at `$.script[{at}].turns[{number}]`")
    return scripts


def _problem(turn: ScriptedTurn) -> str:
    if turn.fail and (turn.text or turn.thinking or turn.tools):
        return "`fail` stands alone: no `text`, `thinking` or `tools` beside it"
    if not 0 <= turn.delay < float("inf"):
        return "`delay` is a finite number of seconds, 0 or more"
    return ""


def _allowed(complaint: str) -> str:
    """What may stand where msgspec's ``complaint`` points to."""
    _, _, place = complaint.rpartition(" - at `$")
    place = place.removesuffix("`")
    field = re.sub(r"\[\d*\]$|\[\.\.\.\]$", "", place).rpartition(".")[2]
    if field in _WORDS:
        return "allowed: " + ", ".join(_WORDS[field])
    generic = re.sub(r"\[\d+\]", "[...]", place)
    kind = next(kind for sign, kind in _ALLOWED if sign in generic)
    return "allowed fields: " + ", ".join(kind.__struct_fields__)
