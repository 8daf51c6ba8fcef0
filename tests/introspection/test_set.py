from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from greenroom.introspection.client import Client, ConsoleError
from greenroom.introspection.console import console_spec
from greenroom.introspection.render import admission
from greenroom.kernel import System
from tests.introspection.test_console import socket_of

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


async def changed(system: System, changes: dict[str, str]) -> dict[str, object]:
    """What a client is told that changes something."""
    path = socket_of(system)

    def change() -> dict[str, object]:
        with Client(path) as client:
            return client.set(changes)

    return await anyio.to_thread.run_sync(change)


async def test_settings_are_changed_in_the_engine(runtime: Path) -> None:
    """A change reaches whoever it is for as names and text, and the client gets what is new, secrets masked."""
    seen: list[Mapping[str, str]] = []

    def tune(changes: Mapping[str, str]) -> object:
        seen.append(changes)
        return {"concurrency": 400, "token": "sk-very-secret"}

    async with System() as system:
        await system.start(console_spec("tunable", dict, tune))
        assert await changed(system, {"concurrency": "400"}) == {"concurrency": 400, "token": "***"}
    assert seen == [{"concurrency": "400"}]


async def test_a_wrong_change_is_told_with_its_reason(runtime: Path) -> None:
    """What is refused is an error at the client, in the words of who refused it."""

    def tune(changes: Mapping[str, str]) -> object:
        raise ValueError(f"no such thing: {', '.join(changes)}")

    async with System() as system:
        await system.start(console_spec("tunable", dict, tune))
        with pytest.raises(ConsoleError, match="no such thing: speed"):
            await changed(system, {"speed": "9"})


async def test_without_settings_nothing_can_be_set(system: System) -> None:
    """An engine that offers no settings says so."""
    with pytest.raises(ConsoleError, match="no settings"):
        await changed(system, {"concurrency": "1"})


def test_admission_is_told_in_words() -> None:
    """Totals, limits, why nothing begins and what is left alone, with whatever agents had a hand in escaped."""
    circuit = {"name": "image:x", "state": "open", "failures": 5, "wait": 30.0, "error": "no \x1b[31msuch image"}
    snapshot: dict[str, Any] = {
        "waiting": 3,
        "finished": {"completed": 2, "cancelled": 1},
        "rollouts": [{}, {}],
        "limits": {"concurrency": 400, "per_image": None, "named": {"image:a": 4}, "queue": 64},
        "paused": "too little memory",
        "circuits": [circuit],
    }
    assert admission(snapshot).splitlines() == [
        "2 of 400 running, 3 waiting, 3 done",
        "limits    named image:a=4, queue 64",
        "PAUSED    too little memory",
        "circuit   image:x open: 5 failures, tried again in 30s: no \\x1b[31msuch image",
    ]
    assert admission({}) == "0 of ? running, 0 waiting, 0 done"
