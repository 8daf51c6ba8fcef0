"""What all engines of ``engine.py`` are given, and how they are measured. Needs the standard library alone."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

CALLS = 4
AGENT = f"""
import http.client, json, os, urllib.parse
url = urllib.parse.urlsplit(os.environ["OPENAI_BASE_URL"])
link = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
head = {{"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"}}
said = [{{"role": "user", "content": "Look at the file."}}]
for _ in range({CALLS}):
    body = json.dumps({{"model": os.environ["OPENAI_MODEL"], "messages": said}})
    link.request("POST", url.path + "/chat/completions", body, head)
    answer = link.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{{answer.status}}: {{text[:300]}}")
    message = json.loads(text)["choices"][0]["message"]
    said.append({{"role": "assistant", "content": message["content"]}})
    said.append({{"role": "user", "content": "Go on."}})
link.close()
"""
"""A program that makes a few calls, one after the other, in a conversation that grows."""
SYSTEM_PYTHON = "/usr/bin/python3"
_TICK = 0.01


def program() -> list[str]:
    """The agent's command: an interpreter that sandboxes have too, and that loads as little as it can."""
    return [SYSTEM_PYTHON, "-S", "-E", "-c", AGENT]


class Lag:
    """How late the event loop is."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK)
            self.seconds.append(time.monotonic() - before - _TICK)

    def at(self, share: float) -> float:
        """The lag that this share of all ticks stayed below."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@asynccontextmanager
async def measured(count: int, found: dict[str, Any]) -> AsyncGenerator[None]:
    """Fills in what so many rollouts in the block have cost this process."""
    lag = Lag()
    watching = asyncio.create_task(lag.watch())
    cpu = time.process_time()
    yield
    found["cpu"] = (time.process_time() - cpu) / count
    watching.cancel()
    found["lag_p99"], found["lag_max"] = lag.at(0.99), lag.at(1.0)
    found["peak.bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
