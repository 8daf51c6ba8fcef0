"""What people read: pages with their code, and the texts in source files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_FENCE = re.compile(r"^( *)```.*?\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n\n).)+?)(?<!`)\1(?!`)", re.DOTALL)
_PROMPT = re.compile(r"^\s*\$ ")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def code(text: str) -> Iterator[str]:
    """Yield each piece of code in a text: spans between backticks, and the lines of fenced blocks."""
    for fence in _FENCE.finditer(text):
        for line in fence[2].splitlines():
            yield _PROMPT.sub("", line).partition(" # ")[0].strip()
    for span in _SPAN.finditer(_FENCE.sub("", text)):
        yield " ".join(span[2].split())


def links(text: str) -> Iterator[tuple[str, str]]:
    """Yield path and fragment of each link that stays in the repository."""
    for link in _LINK.finditer(_FENCE.sub("", text)):
        if "://" not in link[1]:
            path, _, fragment = link[1].partition("#")
            yield path, fragment


def fragments(text: str) -> set[str]:
    """Return what a link may name after ``#``: the headings, as the pages write them."""
    return {
        re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading.lower())).strip("-")
        for heading in _HEADING.findall(_FENCE.sub("", text))
    }


def literals(source: str) -> Iterator[str]:
    """Yield every text in Python code: messages, help, docstrings. Holes in f-strings are left empty."""
    tree = ast.parse(source)
    pieces = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            yield node.value
