"""Values as TOML writes them."""

from __future__ import annotations

import json
from typing import cast


def toml(value: object) -> str:
    """Text, numbers, lists and flat dicts on one line."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return "{ " + ", ".join(f"{toml(name)} = {toml(item)}" for name, item in pairs) + " }"
    # JSON's text and lists are TOML's, but for one character that TOML wants escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
