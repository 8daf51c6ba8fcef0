"""Sandboxes that exist only in memory: thousands at once, under virtual time, with faults drawn from a seed.

Nothing here has a task of its own. A program runs in the task of whoever waits for it, and death is a deadline on
everything that is waited for, so there is nothing that could be forgotten.
"""

from __future__ import annotations

import posixpath
import socket
from collections.abc import Mapping
from functools import partial
from random import Random

import anyio

from greenroom.sandboxes._simulated_fate import draw_fate
from greenroom.sandboxes._simulated_process import Command, Connect, Lifespan, SimulatedAgent, SimulatedProcess
from greenroom.sandboxes.base import Exec, ExecResult, SandboxError, SandboxRequest
from greenroom.specs import Simulated

AGENT = "simulated-agent"
"""``argv[0]`` of the simulated agent. It reads ``OPENAI_BASE_URL``, ``OPENAI_API_KEY``, ``OPENAI_MODEL``."""


class SimulatedBackend:
    """Makes simulated sandboxes and keeps the ledger that proves none was left behind."""

    kind = "simulated"

    def __init__(self, spec: Simulated, connect: Connect | None = None) -> None:
        self.spec = spec
        self.connect: Connect = connect or _refuse
        """How simulated agents reach their model; may be set until the first agent starts."""
        self.created = 0
        """Sandboxes begun, those whose boot failed or was cancelled included."""
        self.closed = 0
        """Sandboxes of which nothing is left."""
        self.sandboxes: dict[str, SimulatedSandbox] = {}
        """Those that booted and are not closed, by id."""
        self._open = True

    @property
    def live(self) -> int:
        """Sandboxes that still hold something."""
        return self.created - self.closed

    def handle(self, id: str) -> str:
        """The id itself; nothing is left when the process is gone."""
        return id

    async def create(self, request: SandboxRequest) -> SimulatedSandbox:
        """Boot one, as its fate has it. Raises `SandboxError`."""
        if not self._open:
            raise SandboxError("backend_closed", "the backend was closed")
        sandbox = SimulatedSandbox(self, request)
        self.created += 1
        try:
            await sandbox.boot()
        except BaseException:
            self.closed += 1
            raise
        self.sandboxes[request.id] = sandbox
        return sandbox

    async def close(self) -> None:
        """End all sandboxes; boots under way fail."""
        self._open = False
        for sandbox in list(self.sandboxes.values()):
            await sandbox.close()

    @property
    def open(self) -> bool:
        """Whether sandboxes can be made."""
        return self._open

    def release(self, sandbox: SimulatedSandbox) -> None:
        """Strike a closed sandbox off the ledger."""
        if self.sandboxes.pop(sandbox.id, None) is not None:
            self.closed += 1


class SimulatedSandbox:
    """A sandbox made of a dictionary of files and a lifespan."""

    def __init__(self, backend: SimulatedBackend, request: SandboxRequest) -> None:
        self.id = request.id
        self.home = "/home/agent"
        self.workdir = "/work"
        self.unsafe: tuple[str, ...] = ()
        self.listener: socket.socket | None = None
        self.base_url: str | None = None
        self.files: dict[str, bytes] = {}
        """What it holds, by absolute path."""
        self.fate = draw_fate(backend.spec, request.id)
        self._backend = backend
        self._request = request
        self._life = Lifespan()
        self._processes: list[SimulatedProcess] = []
        self._rng = Random(f"{backend.spec.seed}:{request.id}:commands")  # noqa: S311 - a simulation

    async def boot(self) -> None:
        """Take the time a boot takes, or fail as fate has it."""
        now = anyio.current_time()
        self._life.end(now + self._request.seconds, "sandbox_expired", "the sandbox reached the end of its time")
        with self._life.bound():
            await anyio.sleep(self.fate.boot)
        if self.fate.misfortune == "boot_failed":
            raise SandboxError("boot_failed", "simulated boot failure")
        if not self._backend.open:
            raise SandboxError("backend_closed", "the backend was closed")
        self._doom(self.fate.dies_after)

    async def exec(self, program: Exec, *, timeout: float, limit: int = 64 * 1024) -> ExecResult:
        """Run to the end, or until ``timeout`` seconds are over."""
        began = anyio.current_time()
        process = await self.start(program)
        try:
            with anyio.move_on_after(timeout) as scope:
                await process.wait()
        finally:
            process.end()
        output = b"".join([chunk async for chunk in process.output()])
        return ExecResult(
            exit_code=await process.wait(),
            output=output[-limit:],
            truncated=len(output) > limit,
            timed_out=scope.cancelled_caught,
            seconds=anyio.current_time() - began,
        )

    async def start(self, program: Exec) -> SimulatedProcess:
        """Start a program. It makes headway only while somebody waits for its end or its output."""
        self._life.check()
        env = {**self._request.env, **program.env}
        if program.argv[0] == AGENT:
            process = SimulatedProcess(self._life, partial(self._agent, self._new_agent(program, env)))
        else:
            command = Command(program, env, self._put, self._rng.uniform(0.01, 0.1))
            process = SimulatedProcess(self._life, command)
        self._processes = [old for old in self._processes if old.exit_code is None]
        self._processes.append(process)
        return process

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Write files."""
        self._life.check()
        self.files.update({self._path(path): content for path, content in files.items()})

    async def read(self, path: str, *, limit: int = 1024 * 1024) -> bytes:
        """At most ``limit`` bytes of a file. Raises `FileNotFoundError`."""
        self._life.check()
        try:
            return self.files[self._path(path)][:limit]
        except KeyError:
            raise FileNotFoundError(path) from None

    async def quiesce(self) -> None:
        """Kill every program that runs."""
        self._life.check()
        for process in self._processes:
            await process.kill()

    async def lost(self) -> SandboxError:
        """Waits until the sandbox dies; for one that was closed, until cancelled."""
        try:
            with self._life.bound():
                await anyio.sleep_forever()
        except SandboxError as error:
            if error.kind != "sandbox_closed":
                return error
        await anyio.sleep_forever()
        raise AssertionError  # pragma: no cover - nothing comes after forever

    def die(self) -> None:
        """Lose it now: for tests that want a death at a moment of their choice."""
        self._doom(0.0)

    async def close(self) -> None:
        """End it and all in it. Idempotent; awaits nothing, so no cancellation can leave it half done."""
        self._life.end(anyio.current_time(), "sandbox_closed", "the sandbox was closed")
        for process in self._processes:
            process.end()
        self._processes.clear()
        self.files.clear()
        self._backend.release(self)

    def _new_agent(self, program: Exec, env: Mapping[str, str]) -> SimulatedAgent:
        instruction = program.stdin.decode(errors="replace")
        return SimulatedAgent(self._backend.spec, self.fate, self._backend.connect, env, instruction)

    async def _agent(self, agent: SimulatedAgent, log: list[bytes]) -> int:
        exit_code = await agent(log)
        self._doom(self.fate.dies_after_agent)
        return exit_code

    def _doom(self, seconds: float) -> None:
        self._life.end(anyio.current_time() + seconds, "sandbox_lost", "simulated death of the sandbox")

    def _path(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.workdir, path))

    def _put(self, path: str, text: str) -> None:
        self.files[self._path(path)] = text.encode()


async def _refuse(base_url: str, _api_key: str, _body: bytes) -> tuple[int, bytes]:
    raise ConnectionRefusedError(base_url)
