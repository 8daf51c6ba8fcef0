"""What containers there are, and when the last of them is gone."""

from __future__ import annotations

import time
from queue import Queue
from threading import Thread
from typing import Any

from docker import DockerClient


class Ledger:
    """Follows the containers with one label, by the engine's events."""

    def __init__(self, client: DockerClient, label: str) -> None:
        self.client = client
        self.label = label
        self._changes: Queue[None] = Queue()
        self._events: Any = client.events(
            decode=True, filters={"type": "container", "label": label, "event": "destroy"}
        )
        self._thread = Thread(target=self._follow)
        self._thread.start()

    def names(self) -> list[str]:
        """Of all containers there are."""
        found = self.client.containers.list(all=True, filters={"label": self.label}, ignore_removed=True)
        return [str(container.name) for container in found]

    def until_empty(self, seconds: float) -> None:
        """Wait until there is none; an error if that takes longer."""
        end = time.monotonic() + seconds
        while left := self.names():
            assert time.monotonic() < end, f"left behind: {left}"
            self._changes.get(timeout=max(0.01, end - time.monotonic()))

    def close(self) -> None:
        """Stop."""
        self._events.close()
        self._thread.join()

    def _follow(self) -> None:
        for _ in self._events:
            self._changes.put(None)
