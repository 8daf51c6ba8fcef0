"""A private place for sockets, and a system with a console in it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from greenroom.introspection.console import console_spec
from greenroom.kernel import Actor, ChildSpec, System, on


class Greet(Struct, frozen=True):
    name: str


class Face(Struct, frozen=True):
    api_key: str
    met: list[str]


class Host(Actor):
    """Remembers whom it met, and holds a secret."""

    def __init__(self) -> None:
        self.met: list[str] = []

    @on(Greet)
    def greet(self, message: Greet) -> None:
        self.met.append(message.name)

    def observe(self) -> Face:
        return Face(api_key="sk-very-secret", met=self.met)


class Broken(Actor):
    def observe(self) -> Struct:
        raise RuntimeError("sk-very-secret")


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The one directory of sockets; its path is short, as those of sockets must be."""
    tmp_path_factory.getbasetemp()  # chosen once, and not below a directory that goes away
    with tempfile.TemporaryDirectory(prefix="gr-") as path:
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        monkeypatch.setenv("XDG_STATE_HOME", f"{path}/state")
        monkeypatch.setattr(tempfile, "tempdir", path)
        yield Path(path) / "greenroom"


@pytest.fixture
async def system(runtime: Path) -> AsyncIterator[System]:
    """A system with a host, somebody broken, and a console."""
    async with System() as system:
        await system.start(ChildSpec("host", Host))
        await system.start(ChildSpec("broken", Broken))
        await system.start(console_spec("test engine", lambda: {"rollouts": 3, "token": "abc"}))
        yield system
