"""An outcome in the words of Harbor's ``result.json``, ``config.json`` and ``lock.json``. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec

from greenroom.messages import AttemptRecord, Fault, Outcome, Turn
from greenroom.messages.trajectory import prompt
from greenroom.specs import TaskSpec

_BY_KIND = {
    "healthcheck_failed": "HealthcheckError",
    "verify_timeout": "VerifierTimeoutError",
    "verify_obstructed": "AddTestsDirError",
}
_BY_STATUS = {
    "agent_timeout": "AgentTimeoutError",
    "agent_failed": "NonZeroAgentExitCodeError",
    "setup_failed": "AgentSetupTimeoutError",
    "sandbox_failed": "SandboxBuildFailedError",
    "verifier_failed": "VerifierOutputParseError",
    "model_failed": "UnknownApiError",
    "cancelled": "CancelledError",
    "engine_failed": "EngineError",
}
"""Names of exceptions whose treatment there is nearest to ours."""
_PHASES = {"environment_setup": "boot", "agent_setup": "setup", "agent_execution": "agent", "verifier": "verify"}


def trial_name(outcome: Outcome) -> str:
    """The trial's directory: unique in a run."""
    return f"{outcome.task_id}__{outcome.rollout_id}"


def trial_config(outcome: Outcome, task: TaskSpec, root: Path, model: str) -> dict[str, Any]:
    """``config.json``."""
    return {
        "task": {"path": str(task_path(task)), "source": task.metadata.get("source")},
        "trial_name": trial_name(outcome),
        "trials_dir": str(root),
        "agent": {"name": outcome.agent, "model_name": model or None},
        "environment": {"import_path": "greenroom"},
        "verifier": {},
    }


def trial_lock(outcome: Outcome, task: TaskSpec, model: str) -> dict[str, Any]:
    """``lock.json``."""
    mode = "separate" if task.verifier == "isolated" else "shared"
    return {
        "schema_version": 2,
        "task": {
            "name": _task_name(task),
            "type": "local",
            "digest": f"sha256:{digest(task)}",
            "path": str(task_path(task)),
        },
        "agent": {"name": outcome.agent, "model_name": model or None},
        "environment": {"import_path": "greenroom"},
        "verifier": {"environment_mode": mode},
    }


def trial_result(outcome: Outcome, task: TaskSpec, root: Path, model: str) -> dict[str, Any]:
    """``result.json``."""
    name = trial_name(outcome)
    place = (root / name).absolute()
    last = outcome.attempts[-1] if outcome.attempts else None
    begun = datetime.fromisoformat(outcome.created)
    finished = begun + timedelta(seconds=outcome.timings.get("queued", 0.0) + outcome.timings.get("total", 0.0))
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{place}/{outcome.created}")),
        "task_name": _task_name(task),
        "trial_name": name,
        "trial_uri": place.as_uri(),
        "task_id": {"path": str(task_path(task))},
        "source": task.metadata.get("source"),
        "task_checksum": digest(task),
        "config": trial_config(outcome, task, root, model),
        "agent_info": {
            "name": outcome.agent,
            "version": "unknown",
            "model_info": {"name": model} if model else None,
        },
        "agent_result": _agent_result(last) if last else None,
        "verifier_result": {"rewards": rewards(outcome)},
        "verifier_environment_mode": "separate" if task.verifier == "isolated" else "shared",
        "exception_info": _exception(outcome.status, outcome.fault, finished) if outcome.fault else None,
        "started_at": begun.isoformat(),
        "finished_at": finished.isoformat(),
        **(dict(_timings(last, finished)) if last else {}),
    }


def rewards(outcome: Outcome) -> dict[str, float] | None:
    """By name; a single one is called ``reward``. ``None``: there is none that counts."""
    if outcome.reward is None or not outcome.reward_valid:
        return None
    return outcome.reward if isinstance(outcome.reward, dict) else {"reward": outcome.reward}


def task_path(task: TaskSpec) -> Path:
    """The task's directory, or the file it was read from."""
    origin = Path(task.origin or task.id)
    return origin.parent if origin.name == "task.toml" else origin


def digest(task: TaskSpec) -> str:
    """Of what the task says, the names of its files included."""
    said = {name: getattr(task, name) for name in task.__struct_fields__ if name not in ("origin", "score")}
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()


def _task_name(task: TaskSpec) -> str:
    return str(task.metadata.get("task_name", task.id))


def _agent_result(attempt: AttemptRecord) -> dict[str, Any]:
    usages = [turn.completion.usage for turn in attempt.turns]
    return {
        "n_input_tokens": sum(usage.prompt_tokens for usage in usages),
        "n_output_tokens": sum(usage.completion_tokens for usage in usages),
        "rollout_details": _details(attempt.turns),
        "metadata": {"turns": len(attempt.turns), "exit_code": attempt.agent_exit_code},
    }


def _details(turns: tuple[Turn, ...]) -> list[dict[str, Any]] | None:
    """Exact tokens; nothing at all unless every turn has them."""
    prompts = [prompt(turns, index).token_ids for index in range(len(turns))]
    replies = [turn.completion.completion_token_ids for turn in turns]
    if not turns or None in prompts or None in replies:
        return None
    detail: dict[str, Any] = {
        "prompt_token_ids": [list(ids or ()) for ids in prompts],
        "completion_token_ids": [list(ids or ()) for ids in replies],
    }
    logprobs = [turn.completion.logprobs for turn in turns]
    if None not in logprobs:
        detail["logprobs"] = [list(values or ()) for values in logprobs]
    return [detail]


def _exception(status: str, fault: Fault, at: datetime) -> dict[str, Any]:
    return {
        "exception_type": _BY_KIND.get(fault.kind) or _BY_STATUS.get(status, "EngineError"),
        "exception_message": f"{fault.kind}: {fault.message}",
        "exception_traceback": fault.detail,
        "occurred_at": at.isoformat(),
    }


def _timings(attempt: AttemptRecord, finished: datetime) -> Iterator[tuple[str, Any]]:
    """Phases follow each other; the last attempt ended when the trial did."""
    now = finished - timedelta(seconds=attempt.timings.get("total", 0.0))
    for name, phase in _PHASES.items():
        if phase in attempt.timings:
            end = now + timedelta(seconds=attempt.timings[phase])
            yield name, {"started_at": now.isoformat(), "finished_at": end.isoformat()}
            now = end
