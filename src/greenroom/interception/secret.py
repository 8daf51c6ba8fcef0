"""Keys of models' owners: read from the environment, never kept in a spec, never quoted."""

from __future__ import annotations

import os
import re


def secret_of(variable: str | None, field: str) -> str:
    """The key in an environment variable; empty if there is none to look for.

    Args:
        variable: The name of the variable.
        field: Where the user wrote that name, for the error's text.

    Raises:
        ValueError: It is not set, blank, or cannot be sent in a header. The text does not quote it.
    """
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ValueError(f"the environment variable {variable} ({field}) is not set or blank")
    if not key.isprintable() or not key.isascii():
        raise ValueError(f"the environment variable {variable} ({field}) holds what no HTTP header can")
    return key


def quotes(text: str, secret: str) -> bool:
    """Whether ``text`` holds ``secret``, or its longest plain stretch: the rest may be escaped in any way."""
    stretch = max(re.findall(r"[A-Za-z0-9]+", secret), key=len, default="")
    return bool(stretch) and stretch in text
