"""Thousands of simulated rollouts in one process, for ``engine.py``: memory, and CPU beyond the work itself.

The work itself is what simulated sandboxes, their agents and the model do, driven by nothing but plain tasks. Time is
virtual: nobody waits, and the CPU does the same as in real time. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import msgspec

from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Text
from greenroom.sandboxes.base import Exec, SandboxRequest
from greenroom.sandboxes.simulated import AGENT, SimulatedBackend
from greenroom.specs import Simulated, TaskSpec
from greenroom.testing import virtual_backend_options

SPEC = Simulated(boot=1.0, turn=5.0, turns=4)
_REPLY = msgspec.json.encode({"choices": [{"message": {"role": "assistant", "content": "ok"}}]})
_WARM = 50
_SAMPLE = 250


async def answer(_: ModelCall) -> Completion:
    """A model that thinks of nothing."""
    return Completion(parts=(Text("ok"),))


def tasks(count: int) -> Iterator[TaskSpec]:
    """As many, made when they are asked for."""
    return (TaskSpec(id=f"t{n}", instruction="go", verify=("true",)) for n in range(count))


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


class Gauge:
    """Memory and CPU, looked at after every so many outcomes."""

    def __init__(self) -> None:
        gc.collect()
        self.start = resident()
        self.began = time.process_time()
        self.sizes: list[tuple[int, int]] = []

    def look(self, done: int) -> None:
        """At the memory now."""
        self.sizes.append((done, resident()))

    def slope(self, after: int) -> float:
        """Bytes that each outcome adds once so many have come, by least squares."""
        points = [(done, size) for done, size in self.sizes if done >= after]
        mean = sum(done for done, _ in points) / len(points)
        middle = sum(size for _, size in points) / len(points)
        spread = sum((done - mean) ** 2 for done, _ in points)
        return sum((done - mean) * (size - middle) for done, size in points) / spread if spread else 0.0


async def play(count: int, concurrency: int, look: Callable[[int], object] = lambda _: None) -> None:
    """So many rollouts through an engine of its own."""
    engine = Engine("simulated", model=answer, sandbox=SPEC, concurrency=concurrency, deadline=1e6, console=False)
    done = 0
    async with engine:
        async for outcome in engine.run(tasks(count)):
            if outcome.reward != 1.0:
                raise SystemExit(f"a rollout failed: {outcome}")
            done += 1
            if done % _SAMPLE == 0:
                look(done)


async def bare(count: int, concurrency: int) -> None:
    """The same work, without anybody who looks after it."""
    backend = SimulatedBackend(SPEC, connect=_connect)
    room = asyncio.Semaphore(concurrency)
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await room.acquire()
            group.create_task(_rollout(backend, f"r-{number}-1")).add_done_callback(lambda _: room.release())


async def _connect(base_url: str, api_key: str, body: bytes) -> tuple[int, bytes]:
    del base_url, api_key
    msgspec.json.decode(body)
    return 200, _REPLY


async def _rollout(backend: SimulatedBackend, id: str) -> None:
    sandbox = await backend.create(SandboxRequest(id=id, rollout_id=id, seconds=1e6))
    env = {"OPENAI_BASE_URL": "memory:/v1", "OPENAI_API_KEY": "key", "OPENAI_MODEL": "m"}
    agent = await sandbox.start(Exec(argv=(AGENT,), env=env, stdin=b"go"))
    await agent.wait()
    await sandbox.exec(Exec(argv=("/bin/sh", "-c", "true")), timeout=60)
    await sandbox.close()


async def measure(count: int, concurrency: int) -> dict[str, float]:
    """Everything, after a warm-up."""
    await play(_WARM, 10)
    await bare(_WARM, 10)
    began = time.process_time()
    await bare(count, concurrency)
    work = (time.process_time() - began) / count
    gauge = Gauge()
    await play(count, concurrency, gauge.look)
    cpu = (time.process_time() - gauge.began) / count
    return {
        "rollouts": count,
        "concurrency": concurrency,
        "cpu": cpu,
        "work_cpu": work,
        "own_cpu": cpu - work,
        "bytes_per_live": (max(size for _, size in gauge.sizes) - gauge.start) / concurrency,
        "bytes_per_outcome": gauge.slope(min(2 * concurrency, count // 2)),
        "peak_bytes": max(size for _, size in gauge.sizes),
    }


def main() -> None:
    count, concurrency = (int(text) for text in sys.argv[1:3])
    found = anyio.run(measure, count, concurrency, backend_options=virtual_backend_options("asyncio"))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
