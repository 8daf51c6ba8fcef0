"""Programs that install something: run to their end with a log, or killed with all they started."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from greenroom.messages.escape import escape

_TAIL = 4000
_SHOWN = 12
"""Lines of a log's tail that are part of the error's text."""
_GUARD = """
import os, select, signal, subprocess, sys
try:
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
except OSError as error:
    sys.exit(str(error))
pidfd = os.pidfd_open(child.pid)
if pidfd not in select.select([0, pidfd], [], [])[0]:
    os.killpg(0, signal.SIGKILL)
code = child.wait()
sys.exit(code if code >= 0 else 128 - code)
"""
"""Runs a program and kills its whole group, itself included, when standard input ends: when we are no more."""
_KILL_SECONDS = 10.0


class InstallError(Exception):
    """An agent cannot be installed on this machine.

    Its text is the message, the last lines of the log and the log's path, without what terminals obey.
    """

    def __init__(self, kind: str, message: str, *, log: str = "", log_path: str = "") -> None:
        """Say what failed.

        Args:
            kind: ``install_failed``, ``install_timeout``, ``install_unavailable`` (the machine lacks an installer),
                ``install_storage`` (the cache directory cannot be used), ``install_lock`` (the recipe's lock does not
                fit it), ``install_refused`` (what was downloaded is not what the lock says), ``install_gone`` (the
                registry does not have a version) or ``install_unreachable`` (there is no way to the registry).
            message: One line for a person.
            log: Tail of what the installer printed.
            log_path: Where all of it is kept.
        """
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.log = log
        self.log_path = log_path

    def __str__(self) -> str:
        lines = [line for line in self.log.splitlines() if line.strip()][-_SHOWN:]
        shown = [escape(self.message), *(f"  | {escape(line)}" for line in lines)]
        return "\n".join([*shown, f"log: {escape(self.log_path)}"] if self.log_path else shown)

    def copy(self) -> InstallError:
        """The same error, to be raised elsewhere."""
        return InstallError(self.kind, self.message, log=self.log, log_path=self.log_path)


async def run_logged(
    argv: Sequence[str], *, cwd: Path, log: Path, inherit: Sequence[int] = (), env: Mapping[str, str] | None = None
) -> None:
    """Run a program, its output appended to ``log``. When the caller is cancelled or dies, so does all it started.

    Raises:
        InstallError: It cannot be started or does not exit with 0.
    """
    process = await _start(argv, cwd=cwd, log=log, inherit=inherit, env=env)
    try:
        code = await process.wait()
    finally:
        await _end(process)
    if code != 0:
        raise _failed(argv, f"exited with {code}", log)


async def _start(
    argv: Sequence[str], *, cwd: Path, log: Path, inherit: Sequence[int], env: Mapping[str, str] | None
) -> Process:
    with log.open("ab", buffering=0) as output:
        output.write(f"$ {shlex.join(argv)}\n".encode())
        return await anyio.open_process(
            (sys.executable, "-I", "-S", "-c", _GUARD, *argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=inherit,
        )


async def _end(process: Process) -> None:
    with anyio.move_on_after(_KILL_SECONDS, shield=True):
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()


def _failed(argv: Sequence[str], how: str, log: Path) -> InstallError:
    return InstallError("install_failed", f"{shlex.join(argv[:3])} ... {how}", log=tail(log), log_path=str(log))


def tail(log: Path) -> str:
    """The end of a log, as text."""
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        return file.read().decode("utf-8", "replace")
    return ""
