"""Text that agents, packages or files may have had a hand in, made safe to show."""

from __future__ import annotations


def escape(text: str) -> str:
    r"""The text with everything that is no plain printable character as ``\x1b``, ``\n``, ``\u202e``.

    Terminals obey control characters, and readers are fooled by those that change direction or show nothing.
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
