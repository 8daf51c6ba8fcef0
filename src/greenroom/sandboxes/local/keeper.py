"""The first process of a local sandbox: it starts programs, kills them, moves files and reports exits.

It runs on its own, inside, with nothing but the standard library. A request is one packet on the control socket whose
file descriptors are: the request as JSON, a pipe for the answer, a file for content that goes in or out, and for a
program a pipe for its output. An answer is one JSON object, small enough to be written at once. A program's answer
comes when the program has ended.

It ends, and takes all with it, when the engine's end of the socket closes, when its time is over, or when it fails.
What runs beside it is hostile and has the same uid, so it is not dumpable: nobody may trace it or read its memory.
Imports are few on purpose: they are most of what a sandbox costs to start.
"""

# pathlib would lengthen the start of every sandbox
# ruff: noqa: PTH103, PTH105, PTH108, PTH118, PTH120, PTH123, PTH208

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import selectors
import signal
import socket
import stat
import subprocess
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

READY = b"ready"
OVER = 77
"""Exit status of a keeper whose time was over."""
SPAN = 1 << 40
"""The marks of one keeper lie this far below its own."""
PATIENCE = 8.0
"""Seconds within which killed processes must be gone."""
CROWD = 256
"""Processes killed at once; each costs a descriptor."""
TOO_MANY = "processes multiply faster than they can be killed"
SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
PR_SET_DUMPABLE = 4
PR_SET_CHILD_SUBREAPER = 36


class TimeIsOverError(BaseException):
    """The sandbox has reached the end of its life."""


class Keeper:
    """Serves one control socket. The main thread is all there is."""

    def __init__(self, control: socket.socket, *, sealed: bool, seconds: float, mark: int) -> None:
        self._control = control
        self._sealed = sealed
        self._over = time.monotonic() + seconds
        limit = resource.getrlimit(resource.RLIMIT_RTTIME)[1]
        self._first = self._mark = mark if limit == resource.RLIM_INFINITY else min(mark, limit)
        self._marks: dict[int, int] = {}
        self._jobs: dict[int, tuple[subprocess.Popen[bytes], int]] = {}
        self._operations: dict[str, Callable[..., dict[str, Any] | None]] = {
            "spawn": self._spawn, "kill": self._kill, "quiesce": self._quiesce, "write": _write, "read": _read,
        }  # fmt: skip
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._serve)
        self._listen_to_signals(seconds)
        os.umask(0o022)

    def run(self) -> None:
        """Serve until the engine is gone."""
        if not self._sealed:
            # Somebody may have inherited the engine's end of the socket; its death cannot be inherited.
            self._selector.register(os.pidfd_open(os.getppid()), selectors.EVENT_READ, lambda: False)
        serving = True
        while serving:
            for key, _ in self._selector.select():
                serving = key.data() and serving

    def end(self) -> None:
        """Take everybody along. Where this is the first process of a pid namespace, its exit does that."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not self._sealed:
            self._jobs.clear()  # how they end now is nobody's result
            self._kill_descendants()

    def _listen_to_signals(self, seconds: float) -> None:
        read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        for number in SIGNALS:
            # The wakeup pipe hears of it. A handler, unlike SIG_IGN, is not inherited by programs.
            signal.signal(number, lambda _signal, _frame: None)
        signal.signal(signal.SIGALRM, self._check_time)
        signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
        self._selector.register(read, selectors.EVENT_READ, lambda: self._woken(read))

    def _check_time(self, _signal: int, _frame: FrameType | None) -> None:
        # Whoever runs here may send this signal, too.
        if time.monotonic() >= self._over:
            raise TimeIsOverError

    def _woken(self, pipe: int) -> bool:
        os.read(pipe, 4096)
        self._reap(os.WNOHANG)
        return True

    def _serve(self) -> bool:
        data, fds, _, _ = socket.recv_fds(self._control, 1, 8, socket.MSG_CMSG_CLOEXEC)
        try:
            if data:
                self._answer(fds)
        finally:
            for fd in fds:
                os.close(fd)
        return bool(data)

    def _answer(self, fds: list[int]) -> None:
        body, reply, *rest = fds
        answer: dict[str, Any] | None
        try:
            ask = json.loads(os.pread(body, os.fstat(body).st_size, 0))
            answer = self._operations[ask["op"]](ask, reply, *rest)
        except Exception as error:  # noqa: BLE001 - whatever a request provokes is its answer, not the sandbox's end
            answer = {"error": type(error).__name__, "message": str(error)[:500]}
        if answer is not None:
            _tell(reply, answer)

    def _spawn(self, ask: dict[str, Any], reply: int, stdin: int, output: int) -> dict[str, Any] | None:
        argv: list[str] = ask["argv"]
        self._mark_job(ask["job"])
        try:
            child = subprocess.Popen(
                argv, stdin=stdin, stdout=output, stderr=output, cwd=ask["cwd"], env=ask["env"], start_new_session=True
            )
        except (OSError, ValueError) as error:
            # The shell's convention: a program that cannot be run is the program's failure, not the sandbox's.
            os.write(output, f"cannot run {argv[:1]}: {error}\n".encode(errors="replace")[:4096])
            return {"exit": 127 if isinstance(error, FileNotFoundError) else 126}
        self._jobs[child.pid] = child, os.dup(reply)
        return None

    def _mark_job(self, job: int) -> None:
        # Everything a job starts inherits this limit, through exec, setsid and double forks, and cannot raise it. It
        # bounds nothing but real-time scheduling, which nobody has here, and so tells which job a process belongs to.
        # Steps are random, so that the marks of an engine that runs in here are not taken for ours.
        self._mark -= 1 + int.from_bytes(os.urandom(2), "big")
        resource.setrlimit(resource.RLIMIT_RTTIME, (self._mark, self._mark))
        self._marks[job] = self._mark

    def _kill(self, ask: dict[str, Any], _reply: int, _file: int) -> dict[str, Any]:
        if ask["job"] in self._marks:
            self._kill_marked(self._marks[ask["job"]])
        return {}

    def _kill_marked(self, mark: int) -> None:
        spared = set(self._marks.values()) - {mark}
        try:
            end(lambda: self._others(spared) if self._sealed else marked(mark, mark + 1))
        except TimeoutError:
            if not self._sealed:
                raise
            self._kill_all()  # its neighbours, rather than one that gets away
        self._reap(os.WNOHANG)

    def _others(self, spared: set[int]) -> Iterator[int]:
        # Who has lowered its own limit to look like nobody's is not spared.
        return (pid for pid in processes() if pid != os.getpid() and mark_of(pid) not in spared)

    def _quiesce(self, _ask: dict[str, Any], _reply: int, _file: int) -> dict[str, Any]:
        if self._sealed:
            self._kill_all()
        else:
            self._kill_descendants()
        return {}

    def _kill_all(self) -> None:
        # From the first process of a pid namespace this reaches everybody in it, in one step of the kernel's.
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        self._reap(0)

    def _kill_descendants(self) -> None:
        # All who lose their parents become our children, so that nobody is left when we have none.
        limit = time.monotonic() + PATIENCE
        while self._reap(os.WNOHANG):
            end(lambda: marked(self._mark, self._first))
            end(lambda: descendants(os.getpid()))
            if time.monotonic() > limit:
                raise TimeoutError(TOO_MANY)

    def _reap(self, flags: int) -> bool:
        """Reap and report. False when there are no children left, dead or alive."""
        try:
            while True:
                pid, status = os.waitpid(-1, flags)
                if not pid:
                    return True
                self._report(pid, os.waitstatus_to_exitcode(status))
        except ChildProcessError:
            return False

    def _report(self, pid: int, code: int) -> None:
        if pid in self._jobs:
            child, reply = self._jobs.pop(pid)
            child.returncode = code
            _tell(reply, {"exit": code})
            os.close(reply)


def end(doomed: Callable[[], Iterator[int]]) -> None:
    """Stop, kill and outwait the processes ``doomed`` names, until it names none that lives.

    Raises:
        TimeoutError: somebody is still alive after `PATIENCE`.
    """
    limit = time.monotonic() + PATIENCE
    held: dict[int, int] = {}
    dead: set[int] = set()
    try:
        while freeze(doomed, held, dead, limit):
            for pidfd in held.values():
                _send(pidfd, signal.SIGKILL)
            for pidfd in held.values():
                if not _is_over(pidfd, max(0.0, limit - time.monotonic())):
                    raise TimeoutError("a killed process does not die")
            _let_go(held)
    finally:
        _let_go(held)


def freeze(doomed: Callable[[], Iterator[int]], held: dict[int, int], dead: set[int], limit: float) -> bool:
    """Stop all, so that none forks while the others are killed. False when nobody is left alive.

    Whoever dies during a search may have forked before, unseen: the search is over when it meets only those that
    were stopped or dead before it began.
    """
    searching = True
    while searching and len(held) < CROWD:
        searching = False
        for pid in doomed():
            if pid not in held and pid not in dead and len(held) < CROWD:
                searching = True
                _stop(pid, held, dead)
        if time.monotonic() > limit:
            raise TimeoutError(TOO_MANY)
    return bool(held)


def processes() -> list[int]:
    """All that can be seen, the youngest first: they are the ones that get away."""
    return sorted((int(name) for name in os.listdir("/proc") if name.isdigit()), reverse=True)


def descendants(root: int) -> Iterator[int]:
    """All below ``root`` in the process tree."""
    children: dict[int, list[int]] = {}
    for pid in processes():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
    found = children.get(root, [])
    for pid in found:
        yield pid
        found += children.get(pid, [])


def marked(first: int, end: int) -> Iterator[int]:
    """All processes with marks in this range, and those that are gone before their marks can be read."""
    for pid in processes():
        mark = mark_of(pid)
        if pid != os.getpid() and (mark is None or first <= mark < end):
            yield pid


def mark_of(pid: int) -> int | None:
    """Mark of the job the process belongs to; -1 when it has none or may not be asked; ``None``: it is gone."""
    try:
        return resource.prlimit(pid, resource.RLIMIT_RTTIME)[1]
    except ProcessLookupError:
        return None
    except OSError:
        return -1


def _stop(pid: int, held: dict[int, int], dead: set[int]) -> None:
    try:
        held[pid] = os.pidfd_open(pid)
    except OSError:
        dead.add(pid)
        return
    if _is_over(held[pid], 0.0):
        os.close(held.pop(pid))
        dead.add(pid)
    else:
        _send(held[pid], signal.SIGSTOP)


def _is_over(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _let_go(held: dict[int, int]) -> None:
    while held:
        os.close(held.popitem()[1])


def _send(pidfd: int, number: signal.Signals) -> None:
    with contextlib.suppress(OSError):
        signal.pidfd_send_signal(pidfd, number)


def _write(ask: dict[str, Any], _reply: int, content: int) -> dict[str, Any]:
    """Put a new file in the path's place: a link, a pipe or a file somebody holds open there is replaced, not used."""
    parent = os.path.dirname(ask["path"]) or "."
    os.makedirs(parent, exist_ok=True)
    fresh = os.path.join(parent, f".{os.urandom(8).hex()}")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        _copy(content, file, sys.maxsize)
        os.replace(fresh, ask["path"])
    except BaseException:
        os.unlink(fresh)
        raise
    finally:
        os.close(file)
    return {}


def _read(ask: dict[str, Any], _reply: int, sink: int) -> dict[str, Any]:
    try:
        file = os.open(ask["path"], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        return {"missing": str(error)}
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return {"missing": "not a regular file"}
        _copy(file, sink, ask["limit"])
    finally:
        os.close(file)
    return {}


def _copy(source: int, target: int, limit: int) -> None:
    while limit > 0 and (chunk := os.read(source, min(limit, 1 << 20))):
        limit -= len(chunk)
        while chunk:
            chunk = chunk[os.write(target, chunk) :]


def _tell(reply: int, answer: dict[str, Any]) -> None:
    # Nobody listens any more: the request was cancelled.
    with contextlib.suppress(OSError):
        os.write(reply, json.dumps(answer).encode())


def _prepare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_DUMPABLE, 0), (PR_SET_CHILD_SUBREAPER, 1)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl({option})")


def _greet(control: socket.socket, port: int) -> None:
    with socket.socket() as listener:
        if port:
            listener.bind(("127.0.0.1", port))
            listener.listen(512)
        socket.send_fds(control, [READY], [listener.fileno()] if port else [])


def main(fd: int, port: int, settings: dict[str, Any]) -> int:
    """Serve the control socket ``fd``; returns the exit status."""
    _prepare()
    control = socket.socket(fileno=fd)
    control.set_inheritable(False)
    keeper = Keeper(control, **settings)
    try:
        _greet(control, port)
        keeper.run()
    except TimeIsOverError:
        return OVER
    except ConnectionError:
        pass  # the engine is gone
    finally:
        keeper.end()
    return 0


if __name__ == "__main__":
    arguments: dict[str, Any] = json.loads(sys.argv[2])
    os._exit(main(int(sys.argv[1]), arguments.pop("port"), arguments))
