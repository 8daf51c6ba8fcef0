"""verifiers' interception as its evaluations run it, one server for all rollouts: it asks for no tokens."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from _child import Fields, attend


class Interception:
    """The commands."""

    def __init__(self, upstream: str) -> None:
        from verifiers.v1.clients import EvalClientConfig, ModelContext
        from verifiers.v1.interception import InterceptionServer

        self.server: Any = InterceptionServer()
        self._context = ModelContext(
            model="greenroom", client=EvalClientConfig(base_url=f"{upstream}/v1", api_key_var="NONE")
        )
        self._slots: list[tuple[str, str]] = []

    async def open(self, fields: Fields) -> Fields:
        self._slots = [self.server.register(self._session()) for _ in range(fields["count"])]
        return {"url": self.server.base_url, "keys": [secret for secret, _ in self._slots]}

    async def close(self, _: Fields) -> Fields:
        for slot in self._slots:
            self.server.unregister(*slot)
        return {}

    def _session(self) -> object:
        from verifiers.v1.agent import AgentConfig
        from verifiers.v1.session import RolloutSession
        from verifiers.v1.task import TaskData
        from verifiers.v1.trace import AgentInfo, Trace, TraceTask

        task: Any = TraceTask(type="Task", data=TaskData(prompt="bench"))
        trace: Any = Trace(task=task, agent=AgentInfo(config=AgentConfig()))
        return RolloutSession(ctx=self._context, trace=trace)


async def serve(upstream: str) -> None:
    interception = Interception(upstream)
    async with interception.server:
        await attend({"open": interception.open, "close": interception.close})


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(serve(sys.argv[1]))
