"""One container, and what can be done with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio
from aiodocker import DockerError
from msgspec import Struct
from msgspec.structs import replace

from greenroom.sandboxes.base import Exec, ExecResult, SandboxError, SandboxRequest
from greenroom.sandboxes.docker.cgroup import kill_all, thaw
from greenroom.sandboxes.docker.client import CONFLICT, NOT_FOUND, Engine, Hijacked, typed
from greenroom.sandboxes.docker.events import Events
from greenroom.sandboxes.docker.life import Life
from greenroom.sandboxes.docker.program import Program
from greenroom.sandboxes.docker.transfer import Transfer
from greenroom.sandboxes.local.tail import Tail
from greenroom.specs import Docker

_SETTLE_SECONDS = 2.0
"""How long the event of a death may be behind its other signs."""
_KILL_SECONDS = 10.0
_GONE_SECONDS = 6.0
"""How long a container that was hung up on may take to go by itself."""
_REMOVAL_SECONDS = 20.0
_MORE_PIDS = 64
_CANNOT_RUN = 126
_NOT_FOUND_CODE = 127
# An engine carries both outputs side by side, and loses their order.
_ONE_OUTPUT = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh")
_KILL_ALL = ("/bin/sh", "-c", "kill -9 -1")
_NO_CONTAINER = (NOT_FOUND, CONFLICT, 500)
"""What an engine answers, too, when the container is ending or has ended."""


T = TypeVar("T")


class House(Protocol):
    """What a sandbox needs of its backend."""

    engine: Engine
    events: Events

    def own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something that outlives whoever began it, and is waited for by the backend's end."""
        ...

    def tend(self, work: Coroutine[Any, Any, object]) -> None:
        """The same, for what nobody waits for."""
        ...

    def forget(self, sandbox: DockerSandbox) -> None:
        """Nothing of this sandbox is left."""
        ...


class Body(Struct, frozen=True, kw_only=True, eq=False):
    """What a sandbox holds of the engine and of this machine."""

    spec: Docker
    """What it was made after."""
    container: str
    """Its id."""
    life: Life
    line: Hijacked
    """The keeper's input."""
    listener: socket.socket | None
    group: Path | None
    """Where its processes are listed, if they are on this machine and ours to kill."""


class DockerSandbox:
    """A live container. See `greenroom.sandboxes.base.Sandbox`."""

    def __init__(self, house: House, request: SandboxRequest, body: Body, base_url: str | None) -> None:
        self.id = request.id
        self.home = body.spec.home
        self.workdir = body.spec.workdir
        self.unsafe = body.spec.weaknesses
        self.listener = body.listener
        self.base_url = base_url
        self.container = body.container
        self.life = body.life
        self._house = house
        self._spec = body.spec
        self._line = body.line
        self._group = body.group
        self._programs: set[Program] = set()
        self._closing: asyncio.Task[None] | None = None
        self._transfer = Transfer(self, house.engine, body.spec)
        house.tend(self._listen())

    async def exec(self, program: Exec, *, timeout: float, limit: int = 64 * 1024) -> ExecResult:
        """Run to the end: to the program's own exit, whoever of its descendants still holds the output.

        When ``timeout`` seconds are over, everything that runs in the container is killed.
        """
        began = anyio.current_time()
        tail = Tail(limit)
        running = await self.start(program)
        timed_out = False
        try:
            code = await self._within(timeout, running, tail)
            if code is None:
                timed_out = True
                await running.kill()
                code = await self._within(_KILL_SECONDS, running, tail)
            if code is None:
                raise SandboxError("not_killed", "a program in the sandbox could not be killed")
        finally:
            await running.close()
        return ExecResult(
            exit_code=code, output=bytes(tail), truncated=tail.truncated, timed_out=timed_out,
            seconds=anyio.current_time() - began,
        )  # fmt: skip

    async def start(self, program: Exec) -> Program:
        """Start without waiting for the end. What cannot be run ends at once, with exit code 126 or 127."""
        launch = self._house.own(self._launch(program))
        try:
            running = await asyncio.shield(launch)
        except asyncio.CancelledError:
            # It may have been started: whoever is cancelled has it in nobody's hands.
            self._house.tend(self._abandon(launch))
            raise
        return running

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Write files. A link at a path is replaced; the engine confines all of it to the container."""
        await self._transfer.write(files)

    async def read(self, path: str, *, limit: int = 1024 * 1024) -> bytes:
        """The first ``limit`` bytes. A link, or anything else that is no regular file, counts as not found."""
        return await self._transfer.read(path, limit)

    async def quiesce(self) -> None:
        """Kill everything that runs inside, but for the keeper, which is another user's."""
        if self._group is not None:
            async with self.typed("processes cannot be killed", "not_quiet"):
                await kill_all(self._group)
            if await self._all_ended(_SETTLE_SECONDS):
                return
            # A program was only being started; now it runs.
        await self._kill_inside()
        await self._all_ended(_KILL_SECONDS)

    async def lost(self) -> SandboxError:
        """Why the sandbox has died, when it has. Once it was closed: of kind ``sandbox_closed``."""
        return await asyncio.shield(self.life.dead)

    async def close(self) -> None:
        """End and remove the container. Goes on in the backend's care if the caller is cancelled."""
        if self._closing is None:
            self._closing = self._house.own(self._close())
        await asyncio.shield(self._closing)

    def beat(self) -> None:
        """Tell the keeper that its engine lives."""
        self._line.send(b"\n")

    async def alive(self) -> None:
        """Ask the engine whether the container runs. Raises `SandboxError` if not."""
        async with self.typed("the sandbox cannot be examined", "sandbox_lost"):
            try:
                state = await self._house.engine.inspect(self.container)
            except DockerError as error:
                if error.status == NOT_FOUND:
                    self.life.removed()
                raise
        if not state["Running"]:
            self.life.died(int(state["ExitCode"]))
            raise self.life.dead.result()

    def doubt(self, exec_id: str) -> None:
        """Have somebody ask whether a program still runs, whose exit should have been heard of."""
        self._house.tend(self._house.events.ask(exec_id))

    @asynccontextmanager
    async def typed(self, what: str, kind: str) -> AsyncGenerator[None]:
        """Bound the block, and let nothing out of it but `SandboxError`: why the sandbox died, if it did."""
        if self.life.dead.done():
            raise self.life.dead.result()
        try:
            async with typed(what, kind):
                yield
        except SandboxError as error:
            # Most of what fails fails because the container has died; its reason is on its way.
            gone = isinstance(error.__cause__, DockerError) and error.__cause__.status in _NO_CONTAINER
            death = await self.life.death(_SETTLE_SECONDS if gone or error.kind == "daemon_lost" else 0)
            raise death or error from error

    def forget(self, program: Program) -> None:
        """The program holds nothing any more."""
        self._programs.discard(program)

    # How programs are started and ended.

    async def _launch(self, program: Exec) -> Program:
        engine, events = self._house.engine, self._house.events
        async with self.typed("a program cannot be started", "exec_refused"):
            exec_id = await engine.exec(
                self.container,
                replace(program, argv=(*_ONE_OUTPUT, *program.argv)),
                user=self._spec.user,
                cwd=program.cwd or self.workdir,
            )
            exit = events.exit_of(exec_id)
            try:
                stream = await engine.hijack(f"exec/{exec_id}/start", {"Detach": False, "Tty": False})
            except DockerError as error:
                if error.status in (NOT_FOUND, CONFLICT) or error.status > 600:  # noqa: PLR2004 - aiodocker's own
                    exit.cancel()
                    raise
                return self._not_run(exec_id, exit, error.message)
            except BaseException:
                exit.cancel()
                raise
        if program.stdin:
            stream.send(program.stdin)
            stream.eof()
        running = Program(self, exec_id, stream, exit)
        self._programs.add(running)
        return running

    def _not_run(self, exec_id: str, exit: asyncio.Future[int], message: str) -> Program:
        """The shell's convention: a program that cannot be run is the program's failure, not the sandbox's."""
        missing = "not found" in message or "no such file" in message
        exit.set_result(_NOT_FOUND_CODE if missing else _CANNOT_RUN)
        return Program(self, exec_id, None, exit, f"cannot run: {message}\n".encode(errors="replace")[:4096])

    async def _abandon(self, launch: asyncio.Task[Program]) -> None:
        await asyncio.wait({launch})
        if not launch.cancelled() and launch.exception() is None:
            running = launch.result()
            try:
                await running.kill()
            except SandboxError:
                return  # it died of something else
            finally:
                await running.close()

    async def _within(self, seconds: float, running: Program, tail: Tail) -> int | None:
        with anyio.move_on_after(seconds):
            return await running.collect(tail)
        return None

    async def _all_ended(self, seconds: float) -> bool:
        """Whether all programs that were started have ended, within so many seconds."""
        exits = {running.exit for running in self._programs if not running.exit.done()}
        if exits:
            await asyncio.wait(exits, timeout=seconds)
        return all(exit.done() for exit in exits)

    async def _kill_inside(self) -> None:
        if await self._kill_all():
            return
        # Perhaps there was no room for one process more.
        async with self.typed("processes cannot be killed", "not_quiet"):
            await self._house.engine.limit_pids(self.container, self._spec.pids + _MORE_PIDS)
        if not await self._kill_all():
            raise SandboxError("not_quiet", "processes in the sandbox could not be killed")

    async def _kill_all(self) -> bool:
        try:
            result = await self._run_unwatched(Exec(argv=_KILL_ALL, cwd="/"))
        except TimeoutError:
            return False
        # The shell says 1 when there was nobody to kill.
        return result in (0, 1)

    async def _run_unwatched(self, program: Exec) -> int:
        running = await self.start(program)
        try:
            async with asyncio.timeout(_KILL_SECONDS):
                return await running.collect(Tail(4096))
        finally:
            await running.close()

    # How it ends.

    async def _listen(self) -> None:
        """The line to the keeper is cut when the container ends, when the engine does, or when we hang up."""
        await self._line.hung_up()
        if await self.life.death(_SETTLE_SECONDS) is not None:
            return
        try:
            await self.alive()
        except SandboxError as error:
            self.life.end(error)
        # It runs, but nobody can tell it so any more.
        self.life.end(SandboxError("daemon_lost", f"sandbox {self.id} was cut off from its Docker engine"))

    async def _close(self) -> None:
        self.life.end(SandboxError("sandbox_closed", f"sandbox {self.id} was closed"))
        if self.listener is not None:
            self.listener.close()
        for program in list(self._programs):
            await program.close()
        try:
            # The keeper ends when its input does, and the engine removes what has ended.
            await self._line.close()
            await asyncio.wait({self.life.gone}, timeout=_GONE_SECONDS)
            if not self.life.gone.done():
                await thaw(self.container)
                await self._remove()
        finally:
            self._house.forget(self)

    async def _remove(self) -> None:
        async with typed("the container cannot be removed", "not_removed", _REMOVAL_SECONDS):
            await self._house.engine.remove(self.container)
