"""The rig of the interception's bench: agents, a model server, whoever is measured between them, and the figures."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median

from _interception_child import HERE, Child, ChildError, Fields
from _peers import Missing, Peer, environment

KINDS: Mapping[str, bool] = {"whole": False, "streamed": True}
"""Of replies, and whether they are streamed."""
"""Thresholds of Python's collector with which it comes less often."""
_SECONDS = 60.0


class Sizes:
    """How much of everything: calls, by the number of them that are held at once."""

    def __init__(self, *, quick: bool) -> None:
        self.rounds = 1 if quick else 2
        self.calls = {1: 150, 64: 4 * 64} if quick else {1: 500, 64: 12 * 64, 512: 3 * 512, 2000: 2000}
        self.peer_calls = {1: 40, 64: 64} if quick else {1: 200, 64: 4 * 64, 512: 512, 2000: 2000}
        self.idle = 2_000 if quick else 10_000
        self.idle_seconds = 1.0 if quick else 3.0
        self.batches = 1 if quick else 3


class Rig:
    """The processes, and what was found out about them."""

    def __init__(self, stack: ExitStack, sizes: Sizes) -> None:
        self.sizes = sizes
        self.metrics: dict[str, float] = {}
        self._stack = stack
        self._load = self._agents()
        self._upstream = stack.enter_context(Child(sys.executable, HERE / "_interception_upstream.py"))
        self.url: str = self._upstream.ask("where")["url"]

    def ours(self, *argv: str) -> Child:
        """A server of ours."""
        return self._stack.enter_context(Child(sys.executable, HERE / "_interception_server.py", *argv))

    def peer(self, peer: Peer) -> Child:
        """A peer's server. Raises `Missing`."""
        python = environment(peer)
        try:
            child = self._stack.enter_context(Child(python, HERE / "peers" / peer.script, self.url))
            child.ask("open", count=1)
            child.ask("close")
        except ChildError as error:
            raise Missing(f"it does not start: {error}") from error
        return child

    def direct(self, kind: str) -> None:
        """One agent at the model server."""
        self._upstream.ask("wave", size=1)
        self._connect({"url": self.url, "keys": ["none"]}, kind)
        self.least(f"direct.{kind}.1.latency", median(self._ask(self.sizes.calls[1])))
        self._load.ask("leave")

    def measure(
        self, name: str, server: Child, held: int, kind: str, calls: int, dialect: str = "chat", *, warm: bool = True
    ) -> None:
        """So many calls through ``server``, so many of them at once."""
        doors = server.ask("open", count=held, upstream=self.url, model=name.partition(".")[0], size=held)
        self._upstream.ask("wave", size=held)
        try:
            self._connect(doors, kind, dialect, warm=warm)
            before = server.cpu()
            latencies = self._ask(calls // held)
            self.least(f"{name}.{kind}.{held}.cpu", (server.cpu() - before) / len(latencies))
            if held == 1:
                self.least(f"{name}.{kind}.1.latency", median(latencies))
        except ChildError:
            # They may be in the middle of anything.
            self._load = self._agents()
            raise
        self._load.ask("leave")
        server.ask("close")

    def try_peer(self, name: str, server: Child, held: int, kind: str, calls: int) -> str:
        """The same for a peer, which may not manage so many. Returns why, then, and ends it.

        Where many calls are held, its connections are not warmed: that would take longer than all the rest.
        """
        try:
            self.measure(name, server, held, kind, calls, warm=held <= 64)
        except ChildError as error:
            server.close()
            return f"; not {held} at once, {kind}: {error}"
        return ""

    def idle(self) -> None:
        """What rollouts that wait for their agents take, and what they take from one that does not.

        Once as an engine has them, and once with somebody who waits at the desk of each.
        """
        for model, name in (("gate", "registered"), ("desk", "waiting")):
            with Child(sys.executable, HERE / "_interception_server.py") as server:
                one = server.ask("open", count=1, model="desk", size=1)
                alone = self._batches(one)
                before = server.ask("resident")["bytes"]
                server.ask("open", _SECONDS, count=self.sizes.idle, model=model, size=1)
                self.metrics[f"{name}.bytes"] = (server.ask("resident")["bytes"] - before) / self.sizes.idle
                before = server.cpu()
                time.sleep(self.sizes.idle_seconds)
                self.metrics[f"{name}.cpu"] = (server.cpu() - before) / self.sizes.idle_seconds
                self.metrics |= {f"{name}.alone": alone, f"{name}.among": self._batches(one)}

    def least(self, key: str, value: float) -> None:
        """Keep a figure if it is the best so far."""
        self.metrics[key] = min(value, self.metrics.get(key, value))

    def _batches(self, doors: Fields) -> float:
        found: list[float] = []
        for _ in range(self.sizes.batches):
            self._connect(doors, "whole")
            found.append(median(self._ask(self.sizes.calls[1])))
            self._load.ask("leave")
        return min(found)

    def _agents(self) -> Child:
        return self._stack.enter_context(Child(sys.executable, HERE / "_interception_load.py"))

    def _connect(self, doors: Fields, kind: str, dialect: str = "chat", *, warm: bool = True) -> None:
        """Make the connections, and ask once over each to warm them."""
        stream = KINDS[kind]
        self._load.ask("connect", url=doors["url"], keys=doors["keys"], dialect=dialect, stream=stream)
        if warm:
            self._ask(1)

    def _ask(self, calls: int) -> list[float]:
        found: list[float] = self._load.ask("go", _SECONDS, calls=calls)["latencies"]
        return found
