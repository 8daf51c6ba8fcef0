"""`greenroom resume`: what a run needs to be gone on with is all in its directory."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct

from greenroom.cli.errors import BadInput
from greenroom.cli.model_option import parse_model
from greenroom.cli.output import Output
from greenroom.cli.plan import Part, RunPlan, agent_of, split, trials_of
from greenroom.cli.run import execute, report_of
from greenroom.cli.sandbox_option import parse_sandbox
from greenroom.engine.configuration import Configuration
from greenroom.engine.store_errors import StoreError, StoreMissing
from greenroom.engine.stored import StoredRun, read_run
from greenroom.specs import ModelSpec, SandboxSpec

_SHOWN = 5


class ResumeOptions(Struct, frozen=True, kw_only=True):
    """One field per option; None where nothing was said."""

    run: Path
    sandbox: str | None
    unsafe: bool
    model: str | None
    model_name: str | None
    api_key_env: str | None
    concurrency: int | None
    attempts: int | None
    deadline: float | None
    model_wait: float | None
    allow_changes: tuple[str, ...]
    trials: Path | None
    as_json: bool
    quiet: bool


def resume_run(options: ResumeOptions) -> int:
    """Finish it. The exit status is 0 when every rollout has its outcome, whatever its reward.

    Raises:
        BadInput: There is no such run, or it cannot be gone on with; nothing has started.
        Failed: The engine could not start, or did not last.
    """
    plan = make_plan(options)
    return execute(plan, report_of(as_json=options.as_json, quiet=options.quiet)(plan, Output()))


def make_plan(options: ResumeOptions) -> RunPlan:
    """The run as it was begun, but for what the options say. Raises `BadInput`."""
    try:
        stored = read_run(options.run)
    except StoreMissing as error:
        raise BadInput(f"{options.run}: {error.reason}{_others(options.run)}") from error
    except StoreError as error:
        raise BadInput(str(error)) from error
    if not stored.submissions:
        raise BadInput(f"the run in {stored.path} ended before anything was submitted: start it anew")
    model = _model(options, stored)
    tasks = tuple({task.id: task for submission in stored.submissions for task in submission.tasks}.values())
    return RunPlan(
        tasks=tasks,
        samples=max(submission.samples for submission in stored.submissions),
        parts=tuple(Part(one.run, one.tasks, one.samples) for one in stored.submissions),
        done=sum(submission.done for submission in stored.submissions),
        agent=agent_of(stored.configuration.agent, "its agent"),
        sandbox=_sandbox(options, stored.configuration),
        model=model,
        trials=trials_of(options.trials, tasks, model),
        out=stored.path,
        place=str(options.run),
        limits=_limits(options, stored.configuration),
    )


def _others(missing: Path) -> str:
    """Runs that could have been meant."""
    path = missing.absolute()
    if (path.parent / "run.db").is_file():
        return f"; did you mean {missing.parent}?"
    parents = [parent for parent in (path, path.parent) if parent.is_dir()]
    found = {run.parent for parent in parents for run in parent.glob("*/run.db")}
    if not found:
        return "; `greenroom run` begins one, in runs/ unless --out says otherwise"
    names = {run.name: run for run in sorted(found)}
    close = [names[name] for name in get_close_matches(path.name, names)]
    shown = close or sorted(found, key=lambda run: (run / "run.db").stat().st_mtime, reverse=True)[:_SHOWN]
    listed = ", ".join(os.path.relpath(run) for run in shown)
    return f"; did you mean {listed}?" if close else f"; there are: {listed}"


def _limits(options: ResumeOptions, kept: Configuration) -> dict[str, Any]:
    names = ("concurrency", "attempts", "deadline", "model_wait")
    chosen = {name: getattr(options, name) for name in names}
    limits = {name: getattr(kept, name) if value is None else value for name, value in chosen.items()}
    return {**limits, "allow_changes": split(options.allow_changes)}


def _sandbox(options: ResumeOptions, kept: Configuration) -> SandboxSpec:
    return kept.sandbox if options.sandbox is None else parse_sandbox(options.sandbox, unsafe=options.unsafe)


def _model(options: ResumeOptions, stored: StoredRun) -> ModelSpec:
    kept = stored.configuration.model
    if options.model is not None:
        name = options.model_name or getattr(kept, "model", None)
        return parse_model(options.model, name, options.api_key_env or getattr(kept, "api_key_env", None))
    if isinstance(kept, str):
        raise BadInput(
            f"the model of the run in {stored.path} is {kept}, which only its own program has: "
            "start that again, or give another one with --model and --allow-changes model"
        )
    return kept
