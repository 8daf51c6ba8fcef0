"""What one local sandbox holds on the host: processes, socket, directories. It is made whole and ends whole."""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.local.init import Init
from greenroom.sandboxes.local.keeper import SPAN, end, marked
from greenroom.sandboxes.local.place import Place
from greenroom.sandboxes.local.removal import remove_tree
from greenroom.sandboxes.local.wire import HangupError, Wire

BOOT_SECONDS = 60.0
_POLITE_SECONDS = 10.0
_REMOVAL_SECONDS = 30.0


class Body:
    """A keeper that was started, and its directories."""

    def __init__(self, place: Place, command: list[str], settings: dict[str, Any], *, cwd: str) -> None:
        self.place = place
        self._sealed = bool(settings["sealed"])
        self._mark = int(settings["mark"])
        self.listener: socket.socket | None = None
        """A socket that listens in the sandbox's own network; set by `boot`."""
        self._errors = os.memfd_create("greenroom-errors")
        try:
            self.wire = Wire()
            self.init = self._start(command, settings, cwd)
        except BaseException:
            os.close(self._errors)
            raise

    async def boot(self) -> None:
        """Wait for the keeper. Raises `SandboxError`."""
        try:
            with anyio.fail_after(BOOT_SECONDS):
                keeper, self.listener = await self.wire.ready()
            if self._sealed:
                self.init.meet(keeper)
        except TimeoutError:
            raise SandboxError("boot_failed", f"the sandbox did not boot within {BOOT_SECONDS:.0f} s") from None
        except (HangupError, ProcessLookupError):
            raise SandboxError("boot_failed", f"the sandbox did not boot: {self.errors()}", self.errors()) from None

    def errors(self) -> str:
        """What bubblewrap or the keeper complained about last."""
        size = os.fstat(self._errors).st_size
        return os.pread(self._errors, 4096, max(0, size - 4096)).decode(errors="replace").strip()

    def trouble(self) -> str:
        """What is wrong with its directories; empty if nothing is, and where programs may do with them as they like."""
        return self.place.trouble() if self._sealed else ""

    async def end(self) -> None:
        """Kill all, then remove all, within a bounded time; for a shielded caller.

        Raises:
            SandboxError: something is left; everything else is gone.
        """
        try:
            await self._kill()
        finally:
            self.init.close()
            os.close(self._errors)
            if self.listener is not None:
                self.listener.close()
        await remove_place(self.place)

    async def _kill(self) -> None:
        # A keeper that has not been met yet is still being sealed off. Killing bubblewrap then could leave its child
        # behind, so it is only hung up on, and goes as soon as it runs.
        self.init.kill_keeper()
        self.wire.close()
        with anyio.move_on_after(_POLITE_SECONDS):
            await self.init.gone()
        if self.init.code is None:
            self.init.kill()
            with anyio.move_on_after(_POLITE_SECONDS):
                await self.init.gone()
        if not self._sealed and self.init.code != 0:
            await self._kill_orphans()
        if self.init.code is None:
            raise SandboxError("not_killed", "the sandbox's processes could not be killed")

    async def _kill_orphans(self) -> None:
        try:
            await anyio.to_thread.run_sync(end, partial(marked, self._mark - SPAN, self._mark))
        except TimeoutError as error:
            raise SandboxError("not_killed", "the sandbox's processes could not be killed", str(error)) from error

    def _start(self, command: list[str], settings: dict[str, Any], cwd: str) -> Init:
        try:
            fd = self.wire.theirs.fileno()
            argv = [*command, str(fd), msgspec.json.encode(settings).decode()]
            return Init(argv, cwd=cwd, keep=fd, errors=self._errors)
        except BaseException:
            self.wire.close()
            raise
        finally:
            self.wire.theirs.close()


async def remove_place(place: Place) -> None:
    """Remove a sandbox's directories. Raises `SandboxError`."""
    try:
        await anyio.to_thread.run_sync(remove_tree, place.path, _REMOVAL_SECONDS)
    except OSError as error:
        raise SandboxError("not_removed", "the sandbox's directory could not be removed", str(error)) from error
