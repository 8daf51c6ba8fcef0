"""What does a rollout in a Docker container cost us, and its engine?

    python bench/containers.py [--json] [--rollouts 24] [--alive 200]

Needs a Docker engine (``DOCKER_HOST``, or the usual socket) and busybox. Everything runs on it for real: CPU time is
our process's own, requests are counted at a proxy on the engine's socket, in a run of their own. A rollout is: make
the sandbox, a set-up command, the agent, a verify command, remove the sandbox.
"""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the image and the proxy are those of the tests

from _report import Report, Row, Target, machine, number, print_targets, table
from greenroom.engine import Engine
from greenroom.messages import Completion, ModelCall, Text
from greenroom.sandboxes import SandboxRequest
from greenroom.sandboxes.docker import open_docker
from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.client import Engine as DockerEngine
from greenroom.sandboxes.docker.cold import cold_client
from greenroom.specs import AgentSpec, Docker, Invocation, Launch, TaskSpec
from tests.sandboxes.docker import tree
from tests.sandboxes.docker.proxy import Proxy

_COUNTED = 8
_KILLS = 20


async def done(_: ModelCall) -> Completion:
    return Completion(parts=(Text("done"),))


def command(launch: Launch) -> Invocation:
    return Invocation(argv=("/bin/true",), stdin=launch.instruction)


AGENT = AgentSpec(name="nothing", dialect="chat", command=command, may_be_silent=True)


def tasks(count: int) -> list[TaskSpec]:
    return [
        TaskSpec(id=f"t{n}", instruction="go", setup=("true",), verify=("true",), deadline=300.0) for n in range(count)
    ]


async def rollouts(spec: Docker, count: int) -> tuple[float, float]:
    """CPU and wall seconds, each for one rollout."""
    engine = Engine(AGENT, sandbox=spec, model=done, concurrency=8, console=False)
    async with engine:
        cpu, wall = time.process_time(), time.perf_counter()
        statuses = [outcome.status async for outcome in engine.run(tasks(count))]
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if set(statuses) != {"completed"}:
        raise RuntimeError(f"rollouts failed: {statuses}")
    return cpu / count, wall / count


async def requests(spec: Docker, socket: str) -> float:
    """Requests to the engine for one rollout, those of opening and closing left out."""
    with tempfile.TemporaryDirectory() as directory:
        async with Proxy(Path(directory, "s"), socket) as proxy:
            os.environ["DOCKER_HOST"] = proxy.url
            await rollouts(spec, 1)
            once = proxy.requests.total()
            await rollouts(spec, 1 + _COUNTED)
            return (proxy.requests.total() - 2 * once) / _COUNTED


async def alive(spec: Docker, count: int) -> tuple[float, float, float]:
    """KiB of our memory for each sandbox alive, threads for all of them, and sandboxes made in a second."""
    async with await open_docker(spec) as backend:
        await (await backend.create(SandboxRequest(id="first", rollout_id="first", seconds=60))).close()
        gc.collect()
        before, threads, began = resident(), threading.active_count(), time.perf_counter()
        made = (backend.create(SandboxRequest(id=f"s{n}", rollout_id=f"s{n}", seconds=900)) for n in range(count))
        sandboxes = await asyncio.gather(*made)
        wall = time.perf_counter() - began
        gc.collect()
        size = (resident() - before) / 1024 / len(sandboxes)
        return size, threading.active_count() - threads, count / wall


async def deaths(spec: Docker) -> float:
    """Median seconds from ``docker kill`` to whoever watches the sandbox."""
    seconds: list[float] = []
    engine = DockerEngine(find_engine())
    try:
        async with await open_docker(spec) as backend:
            for n in range(_KILLS):
                sandbox = await backend.create(SandboxRequest(id=f"k{n}", rollout_id=f"k{n}", seconds=60))
                began = time.perf_counter()
                kill = asyncio.create_task(engine.client.containers.container(sandbox.container).kill())
                await sandbox.lost()
                seconds.append(time.perf_counter() - began)
                await kill
                await sandbox.close()
    finally:
        await engine.close()
    return statistics.median(seconds)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def measure(count: int, many: int) -> Report:
    address = find_engine()
    with closing(cold_client(address)) as client:
        spec = Docker(image=tree.image(client), memory="64m", cpus=1.0, pids=64)
        version = str(client.version()["Version"])
    await rollouts(spec, 2)
    size, threads, rate = await alive(spec, many)
    cpu, wall = await rollouts(spec, count)
    death = await deaths(spec)
    metrics = {
        "cpu_ms_per_rollout": cpu * 1000,
        "rollouts_per_second": 1 / wall,
        "kill_to_decision_ms": death * 1000,
        "kib_per_sandbox": size,
        "threads_for_sandboxes": threads,
        "sandboxes_alive": float(many),
        "sandboxes_per_second": rate,
    }
    asked = await requests(spec, address.socket) if address.socket else None
    if asked is not None:
        metrics["requests_per_rollout"] = asked
    return Report(
        name="docker",
        machine=machine(docker=version),
        metrics=metrics,
        ratios={},
        targets=[
            Target(key="requests_per_rollout", value=asked, must=12, aim=10, better="lower"),
            Target(key="cpu_ms_per_rollout", value=cpu * 1000, must=25, aim=15, better="lower"),
            Target(key="sandboxes_alive", value=float(many), must=200, aim=200, better="higher"),
            Target(key="kib_per_sandbox", value=size, must=64, aim=32, better="lower"),
            Target(key="threads_for_sandboxes", value=threads, must=8, aim=0, better="lower"),
            Target(key="kill_to_decision_ms", value=death * 1000, must=50, aim=25, better="lower"),
        ],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rollouts", type=int, default=24)
    parser.add_argument("--alive", type=int, default=200)
    options = parser.parse_args(arguments)
    report = asyncio.run(measure(options.rollouts, options.alive))
    table("docker", ("",), [Row(title=key, cells=(number(value),)) for key, value in report.metrics.items()])
    print_targets(report.targets)
    if options.json:
        print(report.as_json())


if __name__ == "__main__":
    main()
