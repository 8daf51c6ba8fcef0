"""What goes wrong in the demo, on purpose."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from greenroom.interception import OpenModel
from greenroom.messages import Completion, ModelCall


class Accident:
    """A model that, before one of its answers, kills the sandbox it was asked from, with the agent in it."""

    def __init__(self, model: OpenModel, task_id: str, sample: int, root: Path) -> None:
        """The sandbox of this task and sample is somewhere below ``root``."""
        self._model = model
        self._victim = (task_id, sample)
        self._root = root
        self.model = "demo"
        """What the agents are told it is called."""
        self.note = ""
        """What has happened, for the audience."""

    async def __call__(self, call: ModelCall) -> Completion:
        """Answer, sooner or later."""
        if not self.note and (call.task_id, call.sample) == self._victim and call.index > 0:
            pid = first_process(self._root, f"{call.rollout_id}-{call.attempt}")
            what = f"the sandbox of {call.task_id} #{call.sample} (process {pid})"
            self.note = f"killed on purpose, to be tried again: {what}"
            os.kill(pid, signal.SIGKILL)
        return await self._model(call)


def first_process(root: Path, sandbox_id: str) -> int:
    """The first process of a local sandbox: a child of ours that was started with, or in, the sandbox's directory."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            known_by = f"{process.joinpath('cmdline').read_text()}\0{process.joinpath('cwd').readlink()}/"
        except OSError:
            continue  # it has just ended
        if parent == os.getpid() and str(root) in known_by and f"/{sandbox_id}/" in known_by:
            return int(process.name)
    raise LookupError(f"sandbox {sandbox_id} has no process")
