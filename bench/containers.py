"""What does a rollout in a Docker container cost us, beside Docker's API by hand?

    .venv/bin/python bench/containers.py [--json] [--quick] [--alone]

Needs a Docker engine on a socket (``DOCKER_HOST``, or the usual one) and busybox. Everything runs on it for real: CPU
time is our process's own, the median of laps in turns. A rollout is: make the sandbox, a set-up command, the agent, a
verify command, remove the sandbox. ``rollout.floor`` does it by hand, with aiohttp over the engine's socket and fewer
requests. ``death`` is the time from ``docker kill`` to the word that a sandbox was lost; its floor waits for the
container by hand. Requests are counted at a proxy on the engine's socket, in a run of their own. ``alive`` is what two
hundred sandboxes take at once. It takes about three minutes.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the image and the proxy are those of the tests

from _floor_docker import REQUESTS, Hand
from _laps import Run, Samples, laps, progress
from _report import Mark, Report, machine, main
from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Text
from greenroom.sandboxes import SandboxError, SandboxRequest
from greenroom.sandboxes.docker import configuration, open_docker
from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.client import Engine as DockerEngine
from greenroom.sandboxes.docker.cold import cold_client
from greenroom.specs import AgentSpec, Docker, Invocation, Launch, TaskSpec
from tests.sandboxes.docker import tree
from tests.sandboxes.docker.proxy import Proxy

_COUNTED = 8
_CONCURRENCY = 8
MARKS = (
    Mark(of="rollout", over="rollout.floor", must=3.6, aim=2.0),
    Mark(of="death", over="death.floor", must=1.25, aim=1.0),
    Mark(of="rollout.requests", must=10, aim=9),
    Mark(of="alive.missing.sandboxes", must=0, aim=0),
    Mark(of="alive.each.bytes", must=24_000, aim=10_000),
    Mark(of="alive.threads", must=8, aim=0),
)


async def done(_: ModelCall) -> Completion:
    return Completion(parts=(Text("done"),))


def command(launch: Launch) -> Invocation:
    return Invocation(argv=("/bin/true",), stdin=launch.instruction)


AGENT = AgentSpec(name="nothing", dialect="chat", command=command, may_be_silent=True)


class Bench:
    """One engine of Docker's, and what is asked of it."""

    def __init__(self, spec: Docker, path: str, *, quick: bool) -> None:
        self._spec, self._socket = spec, path
        self._laps, self._count, self._kills, self._alive = (3, 8, 5, 20) if quick else (7, 16, 20, 200)

    async def samples(self) -> Samples:
        """Everything, one after another."""
        await self._rollouts(2)
        async with Hand(self._socket, self._config()) as hand:
            progress("rollouts, and the same by hand")
            by_hand = partial(hand.rollouts, concurrency=_CONCURRENCY)
            runs: dict[str, Run] = {"rollout.floor": by_hand, "rollout": self._rollouts}
            found = await laps(runs, self._count, self._laps)
            progress("deaths")
            found |= await self._deaths(hand)
        progress(f"{self._alive} sandboxes at once")
        found |= await self._living()
        progress("requests, counted")
        return found | {"rollout.requests": [await self._requests()], "rollout.floor.requests": [float(REQUESTS)]}

    def _config(self) -> dict[str, Any]:
        request = SandboxRequest(id="floor", rollout_id="floor", seconds=600)
        return configuration.container(self._spec, self._spec.image, request, {})

    async def _rollouts(self, count: int) -> None:
        tasks = [TaskSpec(id=f"t{n}", instruction="go", setup=("true",), verify=("true",)) for n in range(count)]
        engine = Engine(AGENT, sandbox=self._spec, model=done, concurrency=_CONCURRENCY, console=False)
        async with engine:
            statuses = {outcome.status async for outcome in engine.run(tasks)}
        if statuses != {"completed"}:
            raise RuntimeError(f"rollouts failed: {statuses}")

    async def _requests(self) -> float:
        """For one rollout; those of opening and closing are left out."""
        with tempfile.TemporaryDirectory() as directory:
            async with Proxy(Path(directory, "s"), self._socket) as proxy:
                os.environ["DOCKER_HOST"] = proxy.url
                await self._rollouts(1)
                once = proxy.requests.total()
                await self._rollouts(1 + _COUNTED)
                return (proxy.requests.total() - 2 * once) / _COUNTED

    async def _living(self) -> Samples:
        """What sandboxes take that are alive together."""
        async with await open_docker(self._spec) as backend:
            await (await backend.create(SandboxRequest(id="first", rollout_id="first", seconds=60))).close()
            before, threads = resident(), threading.active_count()
            made = [
                backend.create(SandboxRequest(id=f"s{n}", rollout_id=f"s{n}", seconds=900)) for n in range(self._alive)
            ]
            results = await asyncio.gather(*made, return_exceptions=True)
            alive = [result for result in results if not isinstance(result, BaseException)]
            return {
                "alive.missing.sandboxes": [self._alive - len(alive)],
                "alive.each.bytes": [(resident() - before) / max(1, len(alive))],
                "alive.threads": [threading.active_count() - threads],
            }

    async def _deaths(self, hand: Hand) -> Samples:
        """From the kill to whoever watches, in turns."""
        found: Samples = {"death.floor": [], "death": []}
        engine = DockerEngine(find_engine())
        try:
            async with await open_docker(self._spec) as backend:
                for n in range(self._kills):
                    container = await hand.made()
                    found["death.floor"].append(await hand.killed(container))
                    await hand.remove(container)
                    sandbox = await backend.create(SandboxRequest(id=f"k{n}", rollout_id=f"k{n}", seconds=60))
                    began = time.perf_counter()
                    kill = asyncio.create_task(engine.client.containers.container(sandbox.container).kill())
                    await sandbox.lost()
                    found["death"].append(time.perf_counter() - began)
                    await kill
                    await sandbox.close()
        finally:
            await engine.close()
        return found


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE")


def ready() -> tuple[Docker, str, str]:
    """The image's spec, the engine's socket and its version. Raises `LookupError` if there is none."""
    if shutil.which("busybox") is None:
        raise LookupError("busybox is not installed; on Debian: apt-get install busybox-static")
    try:
        address = find_engine()
        with closing(socket.socket(socket.AF_UNIX)) as probe:
            probe.connect(address.socket)
    except (OSError, SandboxError) as error:
        raise LookupError(f"no Docker engine listens on a socket here: {error}") from error
    with closing(cold_client(address)) as client:
        spec = Docker(image=tree.image(client), memory="64m", cpus=1.0, pids=64)
        return spec, address.socket, str(client.version()["Version"])


def run(*, quick: bool, alone: bool) -> Report:
    """All of it, or why not."""
    del alone  # there are no peers
    try:
        spec, path, version = ready()
    except LookupError as missing:
        return Report(
            name="docker", machine=machine(peers={"docker": f"not measured: {missing}"}), samples={}, marks=MARKS
        )
    samples = asyncio.run(Bench(spec, path, quick=quick).samples())
    return Report(name="docker", machine=machine(docker=version, quick=quick), samples=samples, marks=MARKS)


if __name__ == "__main__":
    main(__doc__, run)
