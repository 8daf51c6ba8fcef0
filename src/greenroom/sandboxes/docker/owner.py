"""Whose a container is, written on it: what tells, without asking anybody, whether it was left behind."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from msgspec import Struct

from greenroom.sandboxes.base import SandboxRequest
from greenroom.sandboxes.docker.keeper import GRACE_SECONDS, TOLERANCE_SECONDS

OWNER = "greenroom.owner"
HOST = "greenroom.host"
BOOT = "greenroom.boot"
PROCESS = "greenroom.process"
RUN = "greenroom.run"
EPOCH = "greenroom.epoch"
ROLLOUT = "greenroom.rollout"
SANDBOX = "greenroom.sandbox"
DEADLINE = "greenroom.deadline"

_CLOCKS = 600
"""Seconds by which clocks of two machines may differ."""


class Owner(Struct, frozen=True, kw_only=True):
    """A process that makes containers."""

    id: str
    host: str
    """Machine and pid namespace: only there, ``boot`` and ``process`` mean something."""
    boot: str
    process: str
    """Process id and start time, which together never come again."""
    run: str = ""
    epoch: int = 0

    def labels(self, request: SandboxRequest) -> dict[str, str]:
        """What is written on a container that is made now."""
        deadline = time.time() + request.seconds + GRACE_SECONDS + TOLERANCE_SECONDS
        return {
            OWNER: self.id,
            HOST: self.host,
            BOOT: self.boot,
            PROCESS: self.process,
            RUN: self.run,
            EPOCH: str(self.epoch),
            ROLLOUT: request.rollout_id,
            SANDBOX: request.id,
            DEADLINE: f"{deadline:.0f}",
        }


def this_process(run: str = "", epoch: int = 0) -> Owner:
    """An owner that nobody has been before."""
    namespace = Path("/proc/self/ns/pid").readlink()
    return Owner(
        id=uuid4().hex,
        host=f"{socket.gethostname()}/{namespace}",
        boot=_boot(),
        process=f"{os.getpid()}:{_started(os.getpid())}",
        run=run,
        epoch=epoch,
    )


def abandoned(labels: Mapping[str, str], by: Owner) -> str:
    """Why a container was left behind, as ``by`` can tell; empty when it was not, or when that cannot be told."""
    with suppress(ValueError):
        if time.time() > int(labels.get(DEADLINE, "")) + _CLOCKS:
            return "its time is over"
    if labels.get(HOST) != by.host:
        return ""  # process ids mean nothing here
    if labels.get(BOOT) != by.boot:
        return "the machine was started anew"
    pid, _, started = labels.get(PROCESS, "").partition(":")
    if not pid.isdecimal() or _started(int(pid)) != started:
        return "its engine is gone"
    return ""


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _started(pid: int) -> str:
    """When a process started, in the kernel's ticks since boot; empty if it does not live (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
