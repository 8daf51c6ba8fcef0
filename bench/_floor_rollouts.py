"""The floor of simulated rollouts: bare tasks that wait as often, and pass the same bytes."""

from __future__ import annotations

import asyncio

import msgspec

REPLY = msgspec.json.encode({"choices": [{"message": {"role": "assistant", "content": "ok"}}]})
BOOT, TURN, TURNS = 1.0, 5.0, 4


async def rollouts(count: int, concurrency: int) -> None:
    """So many of them, so many at once."""
    room = asyncio.Semaphore(concurrency)
    rewards: list[float] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            await room.acquire()
            group.create_task(_rollout(rewards)).add_done_callback(lambda _: room.release())


async def _rollout(rewards: list[float]) -> None:
    await asyncio.sleep(BOOT)
    said: list[dict[str, str]] = [{"role": "user", "content": "go"}]
    for _ in range(TURNS):
        msgspec.json.decode(msgspec.json.encode({"model": "m", "messages": said}))
        await asyncio.sleep(TURN)
        said.append(msgspec.json.decode(REPLY)["choices"][0]["message"])
    await asyncio.sleep(0)
    rewards.append(1.0)
