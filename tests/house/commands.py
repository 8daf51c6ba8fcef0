"""Finds commands and options of ours that a text shows and the command line does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from tests.house.texts import code

_ALSO = re.compile(r"(`+)greenroom [^`]+\1((?:,?\s+(?:and\s+|or\s+)?(`+)[a-z]+(?: [^`]*)?\3)+)")
_WORDS = re.compile(r"\bgreenroom( [a-z]+)+ --?[a-z][\w -]*")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_ENDS = {"#", "|", "||", "&&", ";", ">", "&"}
_HELP = {"--help", "-h"}


def shown(text: str) -> Iterator[str]:
    """Yield each of our commands in a text, whole lists of them too: `greenroom ps`, `tree`."""
    for piece in code(text):
        if piece.startswith("greenroom "):
            yield piece
    for match in _ALSO.finditer(text):
        yield from (f"greenroom {piece}" for piece in code(match[2]) if not piece.startswith("greenroom "))
    for match in _WORDS.finditer(text):
        yield match[0]


def faults(text: str, app: click.Group) -> list[str]:
    """Return what is wrong with the commands that a text shows."""
    return [f"{line}: {what}" for line in shown(text) if (what := _fault(line.split()[1:], app))]


def _fault(words: list[str], app: click.Command) -> str:
    command = app
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        if found is None:
            return "" if _is_hole(words[0]) else f"no command {words[0]!r}"
        command, words = found, words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | _HELP
    for word in words:
        if word in _ENDS:
            break
        option = word.partition("=")[0].rstrip(".,:;")
        if re.match(r"--?[a-z]", option) and option not in known:
            return f"no option {option!r}"
    return ""


def _is_hole(word: str) -> bool:
    return word == "..." or word.isupper()


def options(app: click.Command) -> set[str]:
    """Return every option of every command."""
    own = {name for parameter in app.params for name in (*parameter.opts, *parameter.secondary_opts)} | _HELP
    below = app.commands.values() if isinstance(app, click.Group) else ()
    return own.union(*map(options, below))


def lone_options(text: str) -> set[str]:
    """Return the options that pieces of code in a text begin with: `--out`."""
    return {match[0] for piece in code(text) if (match := _OPTION.match(piece))}


def all_options(text: str) -> set[str]:
    """Return whatever looks like an option in a text of the command line's own."""
    return set(_OPTION.findall(text))
