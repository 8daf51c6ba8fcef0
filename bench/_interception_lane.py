"""One server that is measured, and the agents that ask it: each a process of its own."""

from __future__ import annotations

import resource
import sys
from contextlib import ExitStack
from pathlib import Path

from _child import HERE, Child, Fields
from _interception_talk import TURNS

KINDS = {"whole": False, "streamed": True}
"""Of replies, and whether they are streamed."""
_SECONDS = 600.0


class Upstream:
    """The model server."""

    def __init__(self, stack: ExitStack) -> None:
        self._child = stack.enter_context(Child(sys.executable, HERE / "_interception_upstream.py"))
        self.url: str = self._child.ask("where")["url"]

    def wave(self, size: int) -> None:
        """Hold calls until there are so many."""
        self._child.ask("wave", size=size)

    def asked(self) -> list[str]:
        """The last request of each turn."""
        found: list[str] = self._child.ask("asked")["requests"]
        return found


class Lane:
    """A server and its agents.

    Args:
        stack: Ends both.
        url: The model server's.
        argv: The server's interpreter and program.
        model: Who answers in it, if it can be told so.
    """

    def __init__(self, stack: ExitStack, url: str, *argv: str | Path, model: str = "") -> None:
        self._server = stack.enter_context(Child(*argv))
        self._load = stack.enter_context(Child(sys.executable, HERE / "_interception_load.py"))
        self._url, self._model = url, model

    @classmethod
    def ours(cls, stack: ExitStack, url: str, model: str, *argv: str) -> Lane:
        """One of ours."""
        return cls(stack, url, sys.executable, HERE / "_interception_server.py", *argv, model=model)

    @classmethod
    def floor(cls, stack: ExitStack, url: str) -> Lane:
        """One that has nothing of ours."""
        return cls(stack, url, sys.executable, HERE / "_floor_http.py")

    def enter(self, held: int, kind: str, dialect: str = "chat") -> None:
        """Admit so many agents. Raises `ChildError`."""
        stream = KINDS[kind]
        doors = self.open(count=held, size=held, stream=stream)
        self._load.ask("connect", url=doors["url"], keys=doors["keys"], dialect=dialect, stream=stream)

    def open(self, *, count: int, size: int = 1, stream: bool = False, model: str = "") -> Fields:
        """Admit so many agents, and say where."""
        return self._server.ask(
            "open", _SECONDS, upstream=self._url, model=model or self._model, count=count, size=size, stream=stream
        )

    def lap(self, calls: int) -> tuple[float, float]:
        """So many calls over each connection: CPU seconds for one, and the least latency. Raises `ChildError`.

        Connections, the server's own to the model server among them, may have been closed while others had their turn,
        so all of them are warmed first.
        """
        self._load.ask("warm", _SECONDS)
        before = self._server.cpu()
        latencies = self._ask(calls)
        return (self._server.cpu() - before) / len(latencies), min(latencies)

    def leave(self) -> None:
        """Close the connections."""
        self._load.ask("leave")
        self._server.ask("close", _SECONDS)

    def learn(self, kind: str, dialect: str = "chat") -> list[str]:
        """The answer to each turn of a conversation."""
        self.enter(1, kind, dialect)
        self.lap(TURNS)
        answers: list[str] = self._load.ask("heard")["answers"]
        self.leave()
        return answers

    def teach(self, answers: list[str], asks: list[str]) -> None:
        """Have a floor answer, and ask, the same."""
        self._server.ask("teach", answers=answers, asks=asks)

    def resident(self) -> int:
        """Bytes in memory."""
        found: int = self._server.ask("resident")["bytes"]
        return found

    def wakeups(self) -> int:
        """How often the server has waited so far."""
        return self._server.wakeups()

    def _ask(self, calls: int) -> list[float]:
        found: list[float] = self._load.ask("go", _SECONDS, calls=calls)["latencies"]
        return found


def raise_file_limit() -> None:
    """As many connections as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
