"""One local sandbox: a keeper, its wire, its place on disk."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio

from greenroom.sandboxes.base import Exec, ExecResult, SandboxError
from greenroom.sandboxes.local.body import Body
from greenroom.sandboxes.local.keeper import OVER
from greenroom.sandboxes.local.program import Program
from greenroom.sandboxes.local.tail import Tail
from greenroom.sandboxes.local.wire import HangupError, Pipe, memory, pipe

REQUEST_SECONDS = 30.0
"""How long any one request to a keeper may take."""
_GRACE = 10.0


class LocalSandbox:
    """A live sandbox. See `greenroom.sandboxes.base.Sandbox`."""

    def __init__(
        self, body: Body, *, id: str, home: str, workdir: str, env: dict[str, str], base_url: str | None,
        unsafe: tuple[str, ...], seconds: float, forget: Callable[[str], object],
    ) -> None:  # fmt: skip
        self.id = id
        self.home = home
        self.workdir = workdir
        self.unsafe = unsafe
        self.listener = body.listener
        self.base_url = base_url
        self._body = body
        self._env = env
        self._over = anyio.current_time() + seconds + _GRACE
        self._forget = forget
        self._jobs = 0
        self._programs: set[Program] = set()
        self._closing = anyio.Lock()
        self._closed = False
        self._died = False
        self._last_words = ""
        self._removed = False

    async def exec(self, program: Exec, *, timeout: float, limit: int = 64 * 1024) -> ExecResult:
        """Run to the end: to the program's own exit, whoever of its descendants still holds the output.

        They are left alone unless ``timeout`` seconds are over, but can no longer write anywhere.
        """
        began = anyio.current_time()
        tail = Tail(limit)
        running = await self.start(program)
        try:
            with anyio.move_on_after(timeout) as scope:
                await running.collect(tail)
            if scope.cancelled_caught:
                await running.kill()
                running.drain(tail)
            code = await running.wait()
        except anyio.get_cancelled_exc_class():
            await self._abandon(running)
            raise
        finally:
            running.close()
        if code != 0:
            self._check_place()
        return ExecResult(
            exit_code=code, output=bytes(tail), truncated=tail.truncated, timed_out=scope.cancelled_caught,
            seconds=anyio.current_time() - began,
        )  # fmt: skip

    async def start(self, program: Exec) -> Program:
        """Start without waiting for the end.

        A program that cannot be run ends at once with exit code 127 (not found) or 126 and says so in its output.
        """
        self._jobs += 1
        job = self._jobs
        ask = {
            "op": "spawn", "job": job, "argv": program.argv, "cwd": program.cwd or self.workdir,
            "env": {**self._env, **program.env},
        }  # fmt: skip
        async with self._typed(REQUEST_SECONDS):
            with memory(program.stdin) as stdin, pipe() as (output, write):
                report = await self._body.wire.send(ask, stdin, write)
        # No checkpoint since it was sent: who is cancelled has either not started it, or has it in hand.
        running = Program(self, job, output, report)
        self._programs.add(running)
        return running

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Write files. What was at a path, a link above all, is replaced and never followed."""
        for path, content in files.items():
            answer, _ = await self._exchange({"op": "write", "path": self._path(path)}, content)
            if "error" in answer:
                self._check_place()
                raise SandboxError("write_failed", f"cannot write {path!r} in the sandbox", answer["message"])

    async def read(self, path: str, *, limit: int = 1024 * 1024) -> bytes:
        """The first ``limit`` bytes. A link, or anything else that is no regular file, counts as not found."""
        answer, content = await self._exchange({"op": "read", "path": self._path(path), "limit": limit})
        if answer.keys() & {"missing", "error"}:
            self._check_place()
        if "missing" in answer:
            raise FileNotFoundError(errno.ENOENT, answer["missing"], path)
        if "error" in answer:
            raise SandboxError("read_failed", f"cannot read {path!r} in the sandbox", answer["message"])
        return content[:limit]

    async def quiesce(self) -> None:
        """Kill everything that runs inside."""
        await self._end({"op": "quiesce"})
        self._check_place()

    async def lost(self) -> SandboxError:
        """Why the sandbox has died, when it has. Once it was closed: of kind ``sandbox_closed``."""
        if not self._closed:
            with anyio.move_on_after(self.remaining()):
                await self._body.init.ended()
        return await self._why()

    async def close(self) -> None:
        """Kill all, remove all. Shielded from cancellation, and bounded."""
        if not self._closed:
            # What has died before stays lost, however late somebody asks why.
            self._died = self._body.init.over()
            self._last_words = self._body.errors() if self._died else ""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._closing:
                if not self._removed:
                    self._removed = True
                    await self._remove()

    async def answer(self, pipe: Pipe) -> dict[str, Any]:
        """The keeper's answer, or the reason there will be none, raised."""
        async with self._typed(self.remaining()):
            return await pipe.answer()

    async def kill(self, job: int) -> None:
        """Kill a job with all its descendants."""
        await self._end({"op": "kill", "job": job})

    def remaining(self) -> float:
        """Seconds until even the keeper's own deadline has certainly passed."""
        return max(0.0, self._over - anyio.current_time())

    def forget(self, program: Program) -> None:
        """The program holds nothing any more."""
        self._programs.discard(program)

    def _check_place(self) -> None:
        """Raise `SandboxError` where what failed did so for want of a disk or of directories."""
        if trouble := self._body.trouble():
            raise SandboxError("host_exhausted", f"the host cannot serve sandbox {self.id}: {trouble}")

    def _path(self, path: str) -> str:
        return posixpath.join(self.workdir, path)

    async def _exchange(self, ask: dict[str, Any], content: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """One request and its answer, with the content that goes there and the content that comes back."""
        async with self._typed(REQUEST_SECONDS):
            with memory(content) as file:
                with await self._body.wire.send(ask, file) as reply:
                    answer = await reply.answer()
                return answer, b"" if content else os.pread(file, os.fstat(file).st_size, 0)

    async def _end(self, ask: dict[str, Any]) -> None:
        answer, _ = await self._exchange(ask)
        if "error" in answer:
            raise SandboxError("not_killed", "processes in the sandbox could not be killed", answer["message"])

    @asynccontextmanager
    async def _typed(self, seconds: float) -> AsyncGenerator[None]:
        """Bound the block, and let nothing out of it but `SandboxError`."""
        if self._closed:
            raise await self._why()
        try:
            with anyio.fail_after(seconds):
                yield
        except (HangupError, anyio.ClosedResourceError):
            raise await self._why() from None
        except TimeoutError:
            raise SandboxError("sandbox_unresponsive", f"sandbox {self.id} did not answer in time") from None
        except OSError as error:
            if self._closed:
                raise await self._why() from None
            raise SandboxError("host_exhausted", f"the host cannot serve sandbox {self.id}: {error}") from error

    async def _why(self) -> SandboxError:
        code = self._body.init.code
        if code is None and (self._died or not self._closed):
            with anyio.move_on_after(_GRACE):
                code = await self._body.init.ended()
        if self._closed and not self._died:
            return SandboxError("sandbox_closed", f"sandbox {self.id} was closed")
        if code is None:
            return SandboxError("sandbox_unresponsive", f"sandbox {self.id} hung up and does not end")
        if code == OVER:
            return SandboxError("sandbox_expired", f"sandbox {self.id} reached the end of its time")
        words = self._last_words if self._died else self._body.errors()
        return SandboxError("sandbox_lost", f"sandbox {self.id} has died (exit status {code})", words)

    async def _abandon(self, running: Program) -> None:
        with anyio.move_on_after(_GRACE, shield=True), suppress(SandboxError):
            await running.kill()

    async def _remove(self) -> None:
        for program in list(self._programs):
            program.close()
        try:
            await self._body.end()
        finally:
            self._forget(self.id)
