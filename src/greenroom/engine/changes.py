"""What differs between two starts of a run, field by field, and whether that was allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import cast

import msgspec
from msgspec import Struct

from greenroom.engine.store_errors import StoreChanged

FREE = frozenset({"concurrency"})
"""Fields that say how fast a run goes, not what comes of it: they may change without a word."""


class Change(Struct, frozen=True):
    """One field."""

    field: str
    """With dots: ``model.base_url``."""
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field}: {self.before} -> {self.after}"

    def allowed(self, fields: Collection[str]) -> bool:
        """Whether the field, or one it is a part of, is among these."""
        parts = self.field.split(".")
        return any(".".join(parts[:end]) in fields for end in range(1, len(parts) + 1))


def changes(before: object, after: object, field: str = "") -> list[Change]:
    """Where two plain values differ. What was not recorded before cannot have changed."""
    if before == after:
        return []
    old, new = _fields(before), _fields(after)
    if old is None or new is None or old.get("type") != new.get("type"):
        return [Change(field, _short(before), _short(after))]
    found = [changes(old[name], new.get(name), f"{field}.{name}".lstrip(".")) for name in old]
    return [change for part in found for change in part]


def refuse(path: Path, before: str, after: str, allow: Collection[str]) -> None:
    """Compare configurations, JSON both. Raises `StoreChanged` with all changes that are not allowed."""
    found = changes(msgspec.json.decode(before), msgspec.json.decode(after))
    refuse_changes(path, found, FREE.union(allow))


def refuse_changes(path: Path, found: Collection[Change], allow: Collection[str]) -> None:
    """Raise `StoreChanged` with those that are not allowed, if there are any."""
    refused = [change for change in found if not change.allowed(allow)]
    if refused:
        raise StoreChanged(path, [str(change) for change in refused], [change.field for change in refused])


def _fields(value: object) -> Mapping[str, object] | None:
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None


def _short(value: object) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 200 else f"{text[:197]}..."  # noqa: PLR2004 - what a line has room for
