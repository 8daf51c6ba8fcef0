"""Asking a live engine, from another process: blocking, with the standard library's sockets, quick to load."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from greenroom.introspection.places import sockets
from greenroom.introspection.protocol import Answer, Detail, Happening, Hello, Request, Row

_ANSWER_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of one answer; an engine with a million actors stays below it."""
T = TypeVar("T")


class ConsoleError(Exception):
    """The engine refused, or cannot be talked to; the text is for a person."""


class Client:
    """A connection to one engine's console.

    Args:
        path: its socket, one of `sockets`.
        timeout: seconds to wait for each answer; streams wait as long as nothing happens.

    Raises:
        ConsoleError: from every method, when the engine is gone, does not answer in time, or refuses.
    """

    def __init__(self, path: Path, timeout: float = 10.0) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._lines = self._socket.makefile("rb")
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self.close()
            raise ConsoleError(f"no engine answers at {path}: {error.strerror or error}") from error

    def hello(self) -> Hello:
        """Who answers."""
        return self.ask("hello", Hello)

    def rows(self, path: str = "/") -> list[Row]:
        """An actor and all below it, parents first."""
        return self.ask("tree", list[Row], path)

    def inspect(self, path: str) -> Detail:
        """Everything about one actor."""
        return self.ask("inspect", Detail, path)

    def snapshot(self) -> Any:  # noqa: ANN401 - the engine's own, as plain data
        """What the engine says of itself."""
        return self.ask("snapshot", object)

    def set(self, changes: dict[str, str]) -> dict[str, Any]:
        """Change settings, all of them or none; what they are now."""
        return self._asked(Request("set", changes=changes), dict[str, Any])

    def events(self) -> Iterator[Happening]:
        """What happens from now on, as an iterator that ends with the engine."""
        self.ask("events", object)
        return self._events()

    def _events(self) -> Iterator[Happening]:
        self._socket.settimeout(None)
        while (answer := self._read()) is not None:
            yield self._value(answer, Happening)

    def ask(self, verb: str, kind: type[T], path: str = "/") -> T:
        """One request; its answer's value."""
        return self._asked(Request(verb, path), kind)

    def _asked(self, request: Request, kind: type[T]) -> T:
        self._send(request)
        answer = self._read()
        if answer is None:
            raise ConsoleError(f"the engine at {self.path} has hung up")
        return self._value(answer, kind)

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, request: Request) -> None:
        try:
            self._socket.sendall(msgspec.json.encode(request) + b"\n")
        except OSError as error:
            raise ConsoleError(f"the engine at {self.path} is gone: {error.strerror or error}") from error

    def _read(self) -> Answer | None:
        """The next line; None when there is no other."""
        try:
            line = self._lines.readline(_ANSWER_LIMIT)
        except TimeoutError as error:
            raise ConsoleError(f"the engine at {self.path} does not answer; it may be very busy, or stuck") from error
        except OSError as error:
            raise ConsoleError(f"the engine at {self.path} is gone: {error.strerror or error}") from error
        return self._decode(line, Answer) if line.endswith(b"\n") else None

    def _value(self, answer: Answer, kind: type[T]) -> T:
        if not answer.ok:
            raise ConsoleError(answer.error)
        return self._decode(answer.value, kind)

    def _decode(self, data: bytes | msgspec.Raw, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise ConsoleError(
                f"what answers at {self.path} does not speak this console's language: {error}"
            ) from error


class Engine(msgspec.Struct, frozen=True):
    """An engine that lives."""

    socket: Path
    hello: Hello
    problem: str = ""
    """Why it did not say hello."""


def engines(timeout: float = 2.0) -> list[Engine]:
    """This user's live engines, each asked for at most ``timeout`` seconds."""
    return [_greet(path, timeout) for path in sockets()]


def _greet(path: Path, timeout: float) -> Engine:
    try:
        with Client(path, timeout) as client:
            return Engine(path, client.hello())
    except ConsoleError as error:
        return Engine(path, Hello(name=path.stem), str(error))
