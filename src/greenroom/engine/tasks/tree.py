"""Files of a task's directory, read with care: they come from other people."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from greenroom.engine.tasks.errors import FileProblem

Table = dict[str, object]
"""What a TOML or JSON file says of one task."""

_CACHES = "__pycache__"


def read_text(path: Path) -> str:
    """A file's text. Raises `FileProblem` if it is none, and `OSError`."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise FileProblem(f"{path}: not UTF-8 text (byte {error.start})") from error


def read_toml(path: Path) -> Table:
    """A TOML file's table. Raises `FileProblem` if it is none, and `OSError`."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise FileProblem(f"{path}: not TOML: {error}") from error


def tree(root: Path) -> Iterator[Path]:
    """All files below a directory, in order of name. Raises `FileProblem` at a link: it could lead anywhere."""
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            raise FileProblem(f"{path}: a symbolic link; tasks hold plain files only")
        if path.is_file() and _CACHES not in path.relative_to(root).parts:
            yield path


def texts(root: Path) -> dict[str, str]:
    """All files below a directory as texts, by their paths in it."""
    return {path.relative_to(root).as_posix(): read_text(path) for path in tree(root)}
