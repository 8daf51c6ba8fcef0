"""The host's hold on a sandbox's processes: pidfds, which tell of a death without thread, child watcher or polling."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from contextlib import suppress

import anyio


async def outwait(pidfd: int) -> None:
    """Return when the process is over. Any number of tasks may wait for the same one."""
    own = os.dup(pidfd)  # event loops accept one task per descriptor
    try:
        await anyio.wait_readable(own)
    finally:
        os.close(own)


class Init:
    """The process we started, and the keeper: the same one, or, sealed, the first of the namespace below it."""

    def __init__(self, argv: list[str], *, cwd: str, keep: int, errors: int) -> None:
        # Here, in the loop's own thread: the sandbox dies with the thread that forked it, so a worker thread that
        # retires would take it along.
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd=cwd, env={}, pass_fds=[keep],
            start_new_session=True,
        )  # fmt: skip
        try:
            self._outer = os.pidfd_open(self._process.pid)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self._keeper = -1
        self.code: int | None = None
        """Exit status, ``-N`` for signal N; ``None`` as long as it is not known."""

    def meet(self, pid: int) -> None:
        """Take hold of the keeper, too."""
        self._keeper = os.pidfd_open(pid)

    async def ended(self) -> int:
        """Exit status, when there is one."""
        await outwait(self._outer)
        if self.code is None:
            self.code = self._reap()
            self._process.returncode = self.code
        return self.code

    def over(self) -> bool:
        """Whether it has ended, known or not yet."""
        if self.code is not None or self._outer < 0:
            return self.code is not None
        poll = select.poll()
        poll.register(self._outer, select.POLLIN)
        return bool(poll.poll(0))

    async def gone(self) -> None:
        """Return when nothing is left: the keeper's end, in a namespace, is the end of all who lived in it."""
        if self._keeper >= 0:
            await outwait(self._keeper)
        await self.ended()

    def kill_keeper(self) -> bool:
        """Kill the keeper, and so all of its namespace. False when it has not been met."""
        if self._keeper >= 0:
            _kill(self._keeper)
        return self._keeper >= 0

    def kill(self) -> None:
        """Kill what can be named."""
        self.kill_keeper()
        _kill(self._outer)

    def close(self) -> None:
        """Let go."""
        for fd in (self._outer, self._keeper):
            if fd >= 0:
                os.close(fd)
        self._outer = self._keeper = -1

    def _reap(self) -> int:
        try:
            result = os.waitid(os.P_PIDFD, self._outer, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            result = None
        if result is None:  # somebody else in this program has reaped it
            return -signal.SIGKILL
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _kill(pidfd: int) -> None:
    if pidfd >= 0:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
