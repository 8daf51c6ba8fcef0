"""The runs of one engine: begun one after another, and cancelled or stopped together."""

from __future__ import annotations

import math
from collections.abc import Callable

import anyio

from greenroom.actors.run import RUNS, Run
from greenroom.actors.run_requests import Abandon, CancelSome, Drain, Stop
from greenroom.engine.stream import EngineError
from greenroom.kernel import CallError, ChildSpec, Ref, Supervisor, System
from greenroom.supervisors import engine as tree


class Runs:
    """Those that have not ended, and whether there may be more."""

    def __init__(self) -> None:
        self._stopped = ""
        """Why there will be no more."""
        self._starting = anyio.Lock()
        """Held while a run is being started, so that whoever stops all of them waits for its start."""

    async def start(self, system: System, id: str, run: Callable[[], Run]) -> Ref:
        """Begin one. Cancelled while it begins, it is abandoned.

        Raises:
            EngineError: The engine was stopped, or does not run.
        """
        if self._stopped:
            raise EngineError(f"the engine admits nothing any more: {self._stopped}")
        spec = ChildSpec(id, run, restart="temporary")
        runs = system.lookup(f"{tree.PATH}/runs")
        try:
            async with self._starting:
                ref = await runs.call(Supervisor.StartChild(spec))
        except CallError as error:
            raise EngineError(f"the engine does not run: {error}") from error
        except BaseException:
            # It may have been started all the same; by its name it can be told.
            system.lookup(f"{runs.path}/{id}").cast(Abandon())
            raise
        if self._stopped:  # meanwhile
            ref.cast(Stop(self._stopped))
        return ref

    async def cancel(self, system: System | None, name: str, reason: str) -> int:
        """Cancel a rollout or a group wherever it is; gives how many rollouts that is."""
        counts = [await _cancelled(run, CancelSome(name, reason)) for run in _members(system)]
        return sum(counts)

    async def stop(self, system: System | None, reason: str) -> None:
        """Cancel all of them, begin no more, and wait until every outcome is kept."""
        self._stopped = self._stopped or reason
        for run in _members(system):
            run.cast(Stop(reason))
        async with self._starting:
            runs = _members(system)
        for run in runs:
            await _drained(run)


def _members(system: System | None) -> list[Ref]:
    return [] if system is None else system.members(RUNS)


async def _cancelled(run: Ref, message: CancelSome) -> int:
    try:
        return await run.call(message)
    except CallError:
        return 0  # it has ended: nothing of it runs


async def _drained(run: Ref) -> None:
    try:
        await run.call(Drain(), timeout=math.inf)
    except CallError:
        return  # it has ended: nothing of it runs
