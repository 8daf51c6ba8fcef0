"""What a user asks of an engine that runs: look, change its limits, cancel, stop."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from greenroom.actors.board import Board, Snapshot
from greenroom.actors.rollouts import ResetCircuits, Resume
from greenroom.engine.runs import Runs
from greenroom.engine.stream import EngineError
from greenroom.kernel import System
from greenroom.specs.limit_rules import changed
from greenroom.specs.limits import Bounds
from greenroom.supervisors import engine as tree

NOT_OPEN = "the engine is not open: use `async with Engine(...) as engine`"
_CIRCUITS = "circuits"


class Steering:
    """The part of `Engine` that steers it."""

    def __init__(self, bounds: Bounds) -> None:
        self._board = Board(bounds=bounds)
        self._runs = Runs()
        self._system: System | None = None

    @property
    def system(self) -> System:
        """The actors: tree, inspection, lifecycle events. Raises `EngineError` unless the engine is open."""
        if self._system is None:
            raise EngineError(NOT_OPEN)
        return self._system

    def snapshot(self) -> Snapshot:
        """Totals, limits, circuits, what was given up, and a row for each rollout that runs."""
        return replace(self._board.snapshot(), given_up=self._given_up())

    def _given_up(self) -> dict[str, str]:
        if self._system is None:
            return {}
        above = f"{tree.PATH}/"
        rows = self._system.resting(tree.PATH)
        return {row.path.removeprefix(above): row.trouble for row in rows}

    def set(self, changes: Mapping[str, object] | None = None, /, **more: object) -> Bounds:
        """Change limits while it runs: ``engine.set(concurrency=400, per_image=8)``. All of them, or none.

        What runs goes on; with less room than before, nothing begins until enough has ended.

        Args:
            changes: Those whose names are no words of Python: ``{"image:python:3.12": 4}``.
            more: ``concurrency``, and the fields of ``greenroom.specs.limits.Limits``.

        Returns:
            All limits, as they are now.

        Raises:
            ValueError: There is no such limit, or it cannot be so.
        """
        self._board.bounds = changed(self._board.bounds, {**(changes or {}), **more})
        if self._system is not None:
            self._system.lookup(f"{tree.PATH}/rollouts").cast(Resume())
        return self._board.bounds

    def close_circuits(self) -> None:
        """What has failed again and again was mended: try it now. Raises `EngineError` unless the engine is open."""
        self.system.lookup(f"{tree.PATH}/rollouts").cast(ResetCircuits())

    async def cancel(self, name: str, reason: str = "it was cancelled") -> int:
        """Cancel one rollout or a group, by its name in snapshot and outcome; its outcomes are given all the same.

        Samples of a group that are still to come are cancelled too. A whole run is cancelled by ``stream.cancel()``.

        Returns:
            How many rollouts that had begun, or waited to, are cancelled.
        """
        return await self._runs.cancel(self._system, name, reason)

    async def stop(self, reason: str = "the engine was stopped") -> None:
        """Cancel what runs, admit no more, and wait until every outcome is kept. Iterations get them and end.

        Cancelled while it waits, it has stopped everything all the same.
        """
        await self._runs.stop(self._system, reason)

    def _tune(self, changes: Mapping[str, str]) -> Mapping[str, object]:
        """As the console asks for it: by text; ``circuits=closed`` closes them. Says what is new."""
        wanted = dict(changes)
        circuits = wanted.pop(_CIRCUITS, None)
        if circuits not in {None, "closed"}:
            raise ValueError(f"circuits: can be set to 'closed' and to nothing else, got {circuits!r}")
        bounds = self.set(wanted)
        if circuits is not None:
            self.close_circuits()
        return {name: bounds.named.get(name) if ":" in name else getattr(bounds, name) for name in wanted}
