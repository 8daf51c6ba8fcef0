"""Simulated agents that do what a test wants of them: a coroutine that asks its model, leaves calls, works and ends."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec
import pytest

from greenroom.sandboxes._simulated_process import SimulatedAgent
from greenroom.sandboxes.base import Exec
from greenroom.sandboxes.simulated import SimulatedSandbox

Ask = Callable[[str], Coroutine[Any, Any, int]]
"""Asks the model with these words; gives the HTTP status. Cancelled, it hangs up."""
Part = Callable[[Ask], Coroutine[Any, Any, int]]
"""What the agent does from its start to its exit code."""


def acting(monkeypatch: pytest.MonkeyPatch, part: Part) -> None:
    """From now on, agents of simulated sandboxes play this part."""

    class Actor(SimulatedAgent):
        async def __call__(self, log: list[bytes]) -> int:
            return await part(self._ask)

        async def _ask(self, words: str) -> int:
            body = {"model": self._get("MODEL"), "messages": [{"role": "user", "content": words}]}
            status, _ = await self._connect(self._get("BASE_URL"), self._get("API_KEY"), msgspec.json.encode(body))
            return status

    class Theatre(SimulatedSandbox):
        def _new_agent(self, program: Exec, env: Mapping[str, str]) -> SimulatedAgent:
            return Actor(self._backend.spec, self.fate, self._backend.connect, env, "")

    monkeypatch.setattr("greenroom.sandboxes.simulated.SimulatedSandbox", Theatre)
