"""Finds advice to install greenroom from an index by its name, which anybody could register there."""

from __future__ import annotations

import re

_TOOLS = r"(?:uv|pip3?|pipx|poetry|pdm|conda|mamba|hatch|rye)"
_VERBS = r"(?:install|add|run|upgrade|download|wheel|sync)"
_COMMAND = re.compile(rf"\b(?:{_TOOLS}\b(?: +[\w./'=-]+)*? +{_VERBS}|uvx|easy_install)\b(?P<what>[^`\n|;&]*)")
_OURS = re.compile(r"(?:^|[\s'\"=])greenroom(?![\w./-]|\s*@)(?:\[[^\]]*\])?")
_EXTRA = re.compile(r"(?<![\w./-])greenroom\[")


def faults(text: str) -> list[str]:
    """Return each such advice; a path, such as ``.[cli]`` or a wheel's, is none."""
    found = [match[0].strip() for match in _COMMAND.finditer(text) if _OURS.search(_before_comment(match["what"]))]
    return found + [text[match.start() :].split("\n", 1)[0] for match in _EXTRA.finditer(text)]


def _before_comment(words: str) -> str:
    return re.split(r"\s#|[.:,)]\s", words, maxsplit=1)[0]
