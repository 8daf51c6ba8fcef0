"""Runs Python on what looks like another system: `python emigrate.py darwin|win32 PROGRAM [ARGUMENTS]`.

The standard library has to be what this system needs, so all of it that is used is loaded first; then whatever the
other system lacks is taken away, and greenroom is loaded. PROGRAM is a file, or ``-m`` and a module.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

USED = """
asyncio asyncio.subprocess anyio anyio._backends._asyncio anyio.from_thread anyio.to_thread click concurrent.futures
ctypes http.client importlib.resources logging.handlers msgspec multiprocessing platform random shutil sqlite3 ssl
structlog subprocess tarfile tempfile tomllib unittest urllib.request uuid zipfile rich.console rich.live rich.table
aiohttp
"""
LINUX_ALONE = {
    os: """
        pidfd_open memfd_create pipe2 sched_getaffinity sched_setaffinity splice eventfd copy_file_range setns unshare
        posix_fallocate getrandom O_TMPFILE O_PATH P_PIDFD waitid
    """,
    signal: "pidfd_send_signal sigtimedwait sigwaitinfo",
    socket: "SO_PEERCRED SO_PASSCRED MSG_CMSG_CLOEXEC AF_NETLINK AF_VSOCK SOCK_CLOEXEC SOCK_NONBLOCK AF_ALG",
    select: "epoll",
}
POSIX_ALONE = {
    os: """
        geteuid getuid getegid getgid fork forkpty posix_spawn posix_spawnp killpg getpgid getpgrp setsid setpgid
        mkfifo fchmod fchown chown lchown O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NONBLOCK getloadavg uname sysconf WNOHANG
        set_blocking openpty statvfs sync initgroups setuid setgid nice getpriority
    """,
    signal: """
        SIGKILL SIGHUP SIGQUIT SIGCHLD SIGUSR1 SIGUSR2 SIGPIPE SIGALRM SIGSTOP SIGCONT pthread_sigmask sigwait alarm
    """,
    socket: "AF_UNIX send_fds recv_fds",
    select: "poll",
}
MODULES = {
    "darwin": set[str](),
    "win32": {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "posix"},
}


class Border(MetaPathFinder):
    """Lets modules that the other system lacks not be found."""

    def __init__(self, missing: set[str]) -> None:
        self.missing = missing

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def without_proc(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that opens paths, on a system that has neither ``/proc`` nor ``/sys``."""

    def guarded(path: object, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        if isinstance(path, str | Path) and str(path).startswith(("/proc", "/sys/")):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return function(path, *arguments, **options)

    return guarded


class Fewer:
    """A module as greenroom's own files see it: without some of its names."""

    def __init__(self, module: Any, missing: set[str]) -> None:  # noqa: ANN401
        self._module = module
        self._missing = missing

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name in self._missing:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return getattr(self._module, name)


def take_away(platform: str) -> None:
    """Make it look like the other system."""
    tables = [LINUX_ALONE, POSIX_ALONE] if platform == "win32" else [LINUX_ALONE]
    fewer = {
        module.__name__: Fewer(module, {name for table in tables for name in table[module].split()})
        for module in LINUX_ALONE
    }
    real = builtins.__import__

    def found(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002, ANN401
        importer: str = globals["__name__"] if globals and "__name__" in globals else ""
        if importer.split(".", maxsplit=1)[0] in {"greenroom", "__main__"} and level == 0:
            if name in MODULES[platform]:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in fewer:
                return fewer[name]
        return real(name, globals, locals, fromlist, level)

    builtins.__import__ = found
    sys.meta_path.insert(0, Border(MODULES[platform]))
    builtins.open = without_proc(builtins.open)
    io.open = builtins.open
    for name in ("open", "listdir", "stat"):
        setattr(os, name, without_proc(getattr(os, name)))
    if platform == "win32":
        asyncio.SelectorEventLoop.add_signal_handler = no_signals  # type: ignore[assignment, method-assign]
    sys.platform = platform


def no_signals(*_: object) -> None:
    """As Windows' event loops have it."""
    raise NotImplementedError


def main() -> None:
    """Emigrate, and run the program there."""
    platform, program, *arguments = sys.argv[1:]
    for name in USED.split():
        import_module(name)
    take_away(platform)
    if program == "-m":
        sys.argv = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
