"""The engine's hold on its reaper."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import msgspec

from greenroom.sandboxes.docker import reaper
from greenroom.sandboxes.docker.address import Address
from greenroom.sandboxes.docker.owner import OWNER
from greenroom.sandboxes.local.init import outwait


class Guard:
    """A reaper that was started for one owner's containers.

    Its input is a pipe that nobody but us holds, so that the kernel closes it when we die.
    """

    def __init__(self, address: Address, owner: str) -> None:
        read, self._write = os.pipe()  # neither is inherited
        argv = [sys.executable, "-I", "-S", reaper.__file__, msgspec.json.encode(address).decode(), f"{OWNER}={owner}"]
        try:
            self._process = subprocess.Popen(
                argv, stdin=read, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True
            )
        except BaseException:
            os.close(self._write)
            raise
        finally:
            os.close(read)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def dismiss(self, *, clean: bool) -> None:
        """Let it end: at once if nothing is left to be done, after its work in its own time otherwise."""
        if self._write < 0:
            return
        if clean:
            with suppress(BrokenPipeError):
                os.write(self._write, reaper.DONE)
        os.close(self._write)
        self._write = -1
        if clean:
            pidfd = os.pidfd_open(self._process.pid)
            try:
                await outwait(pidfd)
            finally:
                os.close(pidfd)
        self._process.poll()
        self._process.returncode = self._process.returncode or 0  # whoever is left is on its own
