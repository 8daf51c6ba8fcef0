"""Outcomes as directories in the layout of Harbor's trials, for the tools that read those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from greenroom.engine.tasks.rules import is_plain
from greenroom.engine.trial_result import rewards, trial_config, trial_lock, trial_name, trial_result
from greenroom.messages import AttemptRecord, CommandResult, Outcome
from greenroom.specs import Artifact, TaskSpec


class Trials:
    """Writes a directory for each outcome.

    Args:
        root: Directory that holds them; it is made.
        tasks: Those that are run.
        model: What the model is called.
    """

    def __init__(self, root: Path, tasks: Iterable[TaskSpec], model: str = "") -> None:
        self.root = root
        self._tasks = {task.id: task for task in tasks}
        self._model = model

    def write(self, outcome: Outcome) -> Path:
        """Write one; returns its directory. What was there of an earlier run of this name is written over.

        Raises:
            KeyError: The outcome is of another task.
            OSError: It cannot be written.
        """
        task = self._tasks[outcome.task_id]
        place = self.root / trial_name(outcome)
        for name in ("agent", "verifier", "artifacts"):
            (place / name).mkdir(parents=True, exist_ok=True)
        _json(place / "config.json", trial_config(outcome, task, self.root, self._model))
        _json(place / "lock.json", trial_lock(outcome, task, self._model))
        (place / "trial.log").write_text("\n".join(_log(outcome)) + "\n")
        if outcome.fault is not None:
            text = f"{outcome.fault.kind}: {outcome.fault.message}\n{outcome.fault.detail}\n"
            (place / "exception.txt").write_text(text)
        if outcome.attempts:
            self._attempt(place, outcome, outcome.attempts[-1], task)
        # Last: who finds it finds all the rest.
        _json(place / "result.json", trial_result(outcome, task, self.root, self._model))
        return place

    def _attempt(self, place: Path, outcome: Outcome, attempt: AttemptRecord, task: TaskSpec) -> None:
        (place / "agent" / f"{outcome.agent}.txt").write_text(attempt.agent_log)
        for name, content in attempt.agent_files.items():
            _put(place / "agent", name, content)
        verify = [command for command in attempt.commands if command.phase == "verify"]
        (place / "verifier" / "test-stdout.txt").write_text("".join(command.output for command in verify))
        _rewards(place / "verifier", outcome)
        for name, content in attempt.artifacts.items():
            _put(place / "artifacts", name, content)
        entries = [_entry(artifact, attempt.artifacts) for artifact in task.artifacts]
        _json(place / "artifacts" / "manifest.json", entries)


def _rewards(place: Path, outcome: Outcome) -> None:
    found = rewards(outcome)
    if found is not None and isinstance(outcome.reward, dict):
        _json(place / "reward.json", found)
    elif found is not None:
        (place / "reward.txt").write_text(f"{outcome.reward}\n")


def _entry(artifact: Artifact, kept: dict[str, bytes]) -> dict[str, Any]:
    """A line of the manifest. Directories of which nothing was left, and what was missing, are alike: nothing came."""
    where = artifact.destination or artifact.source.lstrip("/")
    is_file = where in kept
    found = is_file or any(PurePosixPath(name).is_relative_to(where) for name in kept)
    return {
        "source": artifact.source,
        "destination": f"artifacts/{where}",
        "type": "file" if is_file else "directory",
        "status": "ok" if found else "empty",
        "service": None,
        "exclude": list(artifact.exclude),
    }


def _put(root: Path, name: str, content: bytes) -> None:
    """Write a file whose name the agent chose: below ``root``, or not at all."""
    path = root / name
    if not is_plain(name) or path.name == "manifest.json":
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except (NotADirectoryError, IsADirectoryError, FileExistsError):
        return  # another artifact has this name, or lies in its way


def _log(outcome: Outcome) -> Iterator[str]:
    for attempt in outcome.attempts:
        yield f"attempt {attempt.number}: {attempt.status}" + (f": {attempt.fault.message}" if attempt.fault else "")
        yield from (_line(command) for command in attempt.commands)
        yield from (f"  {phase}: {seconds:.3f} s" for phase, seconds in attempt.timings.items())
        yield f"  agent's own: {attempt.agent_seconds:.3f} s, its model's: {attempt.model_seconds:.3f} s"
    yield f"outcome: {outcome.status}, reward {outcome.reward}"


def _line(command: CommandResult) -> str:
    how = "timed out" if command.timed_out else f"exit code {command.exit_code}"
    return f"  {command.phase}: {command.command!r}: {how}, {command.seconds:.3f} s"


def _json(path: Path, value: Any) -> None:  # noqa: ANN401 - whatever JSON there is
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=4))
