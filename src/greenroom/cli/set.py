"""Changing the limits of a running engine."""

from __future__ import annotations

from collections.abc import Sequence

from greenroom.cli.attach import attach, show
from greenroom.cli.errors import BadInput
from greenroom.introspection import render


def change(engine: str | None, changes: Sequence[str], *, as_json: bool) -> None:
    """Have it changed, all of it or nothing, and print what is new."""
    wanted = dict(_pair(change) for change in changes)
    with attach(engine) as client:
        new = client.set(wanted)
    lines = [f"{name}={'none' if value is None else value}" for name, value in new.items()] or ["done"]
    show(new, render.escape(" ".join(lines)), as_json=as_json)


def _pair(change: str) -> tuple[str, str]:
    # An image's name may hold anything but what follows the last sign.
    name, sign, value = change.rpartition("=")
    if not (name and sign and value):
        raise BadInput(f"{change}: expected NAME=VALUE, such as concurrency=400")
    return name, value
