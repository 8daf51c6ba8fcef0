"""Which process runs which test: first those that may run side by side, then, in one process, those that may not."""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadScheduling  # type: ignore[import-untyped] # pyright: ignore[reportMissingTypeStubs]

from tests.plugins.tiers import PLAN

Worker = Any  # xdist has no types
Log = Any

CHUNK = 24
"""How many tests a process is given at once: neighbours share fixtures."""
LOW = 4
"""When to give it more. A process begins a test only when it knows which comes next, or that none does."""


class AloneLast(LoadScheduling):  # type: ignore[misc] # xdist has no types
    """Keeps the tests that run alone back until a single process is left."""

    def __init__(self, config: pytest.Config, log: Log) -> None:
        super().__init__(config, log)
        self.collection: list[str] | None = None
        self.alone: list[int] = []

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to be given out, and every process is at its last test."""
        return not self.alone and super().tests_finished

    @property
    def has_pending(self) -> bool:
        """Whether anything is left to be run."""
        return bool(self.alone) or super().has_pending

    def schedule(self) -> None:
        """Begin, when every process has collected the same tests; or give a process that was added something to do."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            self.collection = next(iter(self.node2collection.values()))
            self.alone = list(self.config.stash[PLAN].alone)
            self.pending = sorted(set(range(len(self.collection))) - set(self.alone))
        for node in self.nodes:
            self.check_schedule(node)

    def check_schedule(self, node: Worker, duration: float = 0) -> None:
        """Give a process more to do, or let it end."""
        if node.shutting_down:
            return
        if self.pending:
            if len(self.node2pending[node]) < LOW:
                self._send_tests(node, CHUNK)
        elif self.alone and len(self.nodes) == 1:
            self.pending, self.alone = self.alone, []
            self._send_tests(node, len(self.pending))
            node.shutdown()
        elif not self.alone or node is not self.nodes[0]:
            node.shutdown()

    def remove_node(self, node: Worker) -> str | None:
        """A process has ended: when it was the last but one, the tests that run alone begin."""
        crashed: str | None = super().remove_node(node)
        for left in self.nodes:
            self.check_schedule(left)
        return crashed
