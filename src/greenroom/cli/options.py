"""What `greenroom run` was asked for, as it was written."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class RunOptions(Struct, frozen=True, kw_only=True):
    """One field per option; None where nothing was said."""

    tasks: Path
    template: Path | None
    ignore: tuple[str, ...]
    agent: str | None
    sandbox: str
    image: str | None
    unsafe: bool
    model: str | None
    model_name: str | None
    api_key_env: str | None
    allow_changes: tuple[str, ...]
    samples: int
    concurrency: int | None
    attempts: int | None
    deadline: float | None
    model_wait: float | None
    only: tuple[str, ...]
    limit: int | None
    out: Path | None
    trials: Path | None
    as_json: bool
    quiet: bool
