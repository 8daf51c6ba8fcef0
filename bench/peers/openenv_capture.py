"""OpenEnv's capture server as its own program runs it, with every token captured: one session for each rollout."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from typing import Any

from _child import Fields, attend


class Capture:
    """The commands."""

    def __init__(self, upstream: str) -> None:
        import uvicorn
        from openenv.core.harness.capture.server import create_app

        self._app: Any = create_app(
            llm_url=f"{upstream}/v1", model="greenroom", engine="vllm", capture_level="tokens", max_output_tokens=None
        )
        # As uvicorn makes its own: with the protocol named, or asyncio would leave Nagle's algorithm on.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(
            uvicorn.Config(self._app, log_level="warning", access_log=False, timeout_keep_alive=75)
        )
        self._sessions: list[str] = []

    async def open(self, fields: Fields) -> Fields:
        registry = self._app.state.registry
        self._sessions = [registry.create(None).session_id for _ in range(fields["count"])]
        return {"url": f"http://127.0.0.1:{self._socket.getsockname()[1]}", "keys": self._sessions}

    async def close(self, _: Fields) -> Fields:
        for session in self._sessions:
            self._app.state.registry.delete(session)
        return {}

    async def serve(self) -> None:
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await attend({"open": self.open, "close": self.close})
        self._server.should_exit = True
        await serving


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(Capture(sys.argv[1]).serve())
