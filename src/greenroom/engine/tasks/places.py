"""Directories of this machine that tasks name: relative ones are meant from where the task was read."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from greenroom.specs import Environment, TaskSpec, Upload


def placed(task: TaskSpec, base: Path) -> TaskSpec:
    """The task with absolute directories; ``base`` is where it was read."""
    solution = task.solution
    return replace(
        task,
        uploads=_uploads(task.uploads, base),
        verify_uploads=_uploads(task.verify_uploads, base),
        environment=_environment(task.environment, base),
        verify_environment=_environment(task.verify_environment, base),
        solution=replace(solution, uploads=_uploads(solution.uploads, base)) if solution else None,
    )


def _uploads(uploads: tuple[Upload, ...], base: Path) -> tuple[Upload, ...]:
    return tuple(replace(upload, source=str(base / upload.source)) for upload in uploads)


def _environment(environment: Environment | None, base: Path) -> Environment | None:
    if environment is None or environment.build is None:
        return environment
    return replace(environment, build=str(base / environment.build))
