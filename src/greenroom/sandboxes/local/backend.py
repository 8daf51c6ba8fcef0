"""Makes local sandboxes."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread
import structlog
from msgspec.structs import replace

from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.local.body import Body, remove_place
from greenroom.sandboxes.local.bubblewrap import Bubblewrap, keeper_command, python
from greenroom.sandboxes.local.place import SEALED, Place, Root
from greenroom.sandboxes.local.removal import remove_tree
from greenroom.sandboxes.local.sandbox import LocalSandbox
from greenroom.specs import Local

PORT = 8080
"""Where the sandbox's listener listens, on the loopback address of the sandbox's own network."""

_BOOTS = 4 * (os.cpu_count() or 1)
"""Sandboxes booted at once; more only make each other late."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_log = structlog.get_logger(__name__)


class LocalBackend:
    """Sandboxes on this machine. Open one with `open_local`."""

    kind = "local"

    def __init__(self, spec: Local, root: Root, bubblewrap: Bubblewrap | None) -> None:
        self._spec = spec
        self._root = root
        self._bubblewrap = bubblewrap
        self._turns = anyio.CapacityLimiter(_BOOTS)
        self._boots: set[anyio.CancelScope] = set()
        self._boot_ended = anyio.Event()
        self._live: dict[str, LocalSandbox] = {}
        self._closing = anyio.Lock()
        self._closed = False
        self._removed = False
        self.unsafe = _weaknesses(spec, bubblewrap)
        """What weakens the isolation of its sandboxes."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def handle(self, id: str) -> str:
        """Where the sandbox of this id lies."""
        return self._root.place(id).path

    async def create(self, request: SandboxRequest) -> LocalSandbox:
        """Boot one. Raises `SandboxError`."""
        place = self._place(request)
        sandbox: LocalSandbox | None = None
        with anyio.CancelScope() as scope:
            self._boots.add(scope)
            try:
                with anyio.fail_after(request.seconds):
                    sandbox = await self._boot(place, request)
            except TimeoutError:
                raise SandboxError("boot_failed", "the sandbox's time was over before its turn to boot") from None
            finally:
                self._boots.discard(scope)
                self._boot_ended.set()
        if sandbox is None or self._closed:
            raise _closed()
        return sandbox

    async def close(self) -> None:
        """End all sandboxes, those that are booting included, and remove everything."""
        self._closed = True
        with anyio.CancelScope(shield=True):
            async with self._closing:
                if not self._removed:
                    self._removed = True
                    await self._close()

    def _place(self, request: SandboxRequest) -> Place:
        if self._closed:
            raise _closed()
        if not _NAME.fullmatch(request.id):
            raise SandboxError("bad_request", f"not a sandbox id: {request.id!r}")
        place = self._root.place(request.id)
        wanted = request.environment
        if wanted is not None:
            place = place.wanted(wanted.workdir, wanted.directories)
        if self._bubblewrap is None and (place.directories or place.inside != SEALED.workdir):
            raise SandboxError("unsupported", "directories of a task's choice need bubblewrap")
        try:
            place.make()
        except FileExistsError:
            raise SandboxError("bad_request", f"sandbox {request.id} exists already") from None
        except OSError as error:
            remove_tree(place.path, 1.0)
            raise SandboxError("boot_failed", f"no directory for sandbox {request.id}: {error}") from error
        return place

    async def _boot(self, place: Place, request: SandboxRequest) -> LocalSandbox:
        body: Body | None = None
        try:
            async with self._turns:
                body = self._body(place, request)
                await body.boot()
            # No checkpoint from here on.
            sandbox = self._live[request.id] = self._sandbox(body, request)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await (remove_place(place) if body is None else body.end())
            raise
        return sandbox

    def _body(self, place: Place, request: SandboxRequest) -> Body:
        sealed = self._bubblewrap is not None
        settings: dict[str, Any] = {
            "port": PORT if sealed and not self._spec.network else 0,
            "sealed": sealed,
            "seconds": request.seconds,
            "mark": (1 << 20 | secrets.randbits(20)) << 41,
        }
        try:
            return Body(place, self._command(place, request), settings, cwd="/" if sealed else place.workdir)
        except OSError as error:
            raise SandboxError("boot_failed", f"sandbox {request.id} could not be started: {error}") from error

    def _command(self, place: Place, request: SandboxRequest) -> list[str]:
        if self._bubblewrap is None:
            return keeper_command(self._root.keeper)
        seal = self._bubblewrap.command(self._root, place, prefix=request.prefix, network=self._spec.network)
        return seal + keeper_command()

    def _sandbox(self, body: Body, request: SandboxRequest) -> LocalSandbox:
        place = body.place if self._bubblewrap is None else replace(SEALED, workdir=body.place.inside)
        return LocalSandbox(
            body, id=request.id, home=place.home, workdir=place.workdir, env={**_environment(place), **request.env},
            base_url=f"http://127.0.0.1:{PORT}" if body.listener else None, unsafe=self.unsafe, seconds=request.seconds,
            forget=self._live.pop,
        )  # fmt: skip

    async def _close(self) -> None:
        for scope in self._boots:
            scope.cancel()
        while self._boots:
            self._boot_ended = anyio.Event()
            await self._boot_ended.wait()
        async with anyio.create_task_group() as tasks:
            for sandbox in list(self._live.values()):
                tasks.start_soon(_close_quietly, sandbox)
        try:
            await anyio.to_thread.run_sync(self._root.remove)
        except OSError as error:
            raise SandboxError("not_removed", f"{self._root.path} could not be removed", str(error)) from error


async def open_local(spec: Local, *, bubblewrap: str | None = None) -> LocalBackend:
    """Open the backend. Removes what engines that are no more have left under the same root.

    Args:
        spec: what the user asks for.
        bubblewrap: path of the program; looked up when missing.

    Raises:
        SandboxError: bubblewrap is missing and ``unsafe`` not set, or the root cannot be used.
    """
    found = await anyio.to_thread.run_sync(_find, bubblewrap or shutil.which("bwrap") or "")
    _refuse(spec, found)
    try:
        root = await anyio.to_thread.run_sync(Root, spec.root)
    except OSError as error:
        raise SandboxError("bad_root", f"the sandboxes' root cannot be used: {error}") from error
    backend = LocalBackend(spec, root, found)
    try:
        await anyio.to_thread.run_sync(root.sweep)
    except BaseException:
        await backend.close()
        raise
    if backend.unsafe:
        _log.warning("sandbox_unsafe", because=list(backend.unsafe))
    return backend


def _find(path: str) -> Bubblewrap | None:
    if not os.access(path, os.X_OK):
        return None
    try:
        return Bubblewrap.find(path)
    except (OSError, subprocess.SubprocessError) as error:
        raise SandboxError("bubblewrap_broken", f"{path} does not run: {error}") from error


def _refuse(spec: Local, bubblewrap: Bubblewrap | None) -> None:
    if not hasattr(os, "pidfd_open"):
        raise SandboxError("unsupported", "local sandboxes need Linux")
    if spec.network and not spec.unsafe:
        raise SandboxError("network_refused", "Local(network=True) lifts the isolation and needs unsafe=True as well")
    if bubblewrap is None and not spec.unsafe:
        raise SandboxError(
            "bubblewrap_missing",
            "local sandboxes need bubblewrap: install the package 'bubblewrap' (it provides bwrap), "
            "or accept plain processes without isolation with Local(unsafe=True)",
        )


def _weaknesses(spec: Local, bubblewrap: Bubblewrap | None) -> tuple[str, ...]:
    missing = ("no isolation: bubblewrap is missing",) if bubblewrap is None else ()
    return (*missing, *(("host network",) if spec.network else ()))


def _environment(place: Place) -> dict[str, str]:
    return {
        "HOME": place.home,
        "LANG": "C.UTF-8",
        "LOGNAME": "agent",
        # Last, so that there is a python3 even where the system has none.
        "PATH": f"{_PATH}:{Path(python()).parent}",
        "SHELL": "/bin/sh",
        "TMPDIR": place.tmp,
        "USER": "agent",
    }


async def _close_quietly(sandbox: LocalSandbox) -> None:
    try:
        await sandbox.close()
    except SandboxError as error:
        _log.warning("sandbox_not_closed", sandbox=sandbox.id, error=str(error), detail=error.detail)


def _closed() -> SandboxError:
    return SandboxError("backend_closed", "the backend was closed")
