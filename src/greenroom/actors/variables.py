"""The variables of a task, with their values."""

from __future__ import annotations

import os
from collections.abc import Mapping

from greenroom.messages import Fault, FaultError, Phase
from greenroom.specs import TaskSpec
from greenroom.specs.host_env import expand


def variables(task: TaskSpec, given: Mapping[str, str], phase: Phase) -> dict[str, str]:
    """These variables of a task; those that it takes from the engine's environment are looked up now.

    Raises:
        FaultError: One of them is not set there.
    """
    if not task.expand_env:
        return dict(given)
    try:
        return expand(given, os.environ)
    except LookupError as error:
        fault = Fault(blame="task", kind="variable_missing", message=str(error), phase=phase)
        raise FaultError(fault) from None


def sandbox_variables(task: TaskSpec) -> dict[str, str]:
    """Those of everything that runs in the agent's sandbox. Raises as `variables` does."""
    own = task.environment.env if task.environment else {}
    return variables(task, {**own, **task.env}, "boot")


def verifier_variables(task: TaskSpec) -> dict[str, str]:
    """Those of everything that runs in a verifier's own sandbox. Raises as `variables` does."""
    if task.verify_environment is None:
        return sandbox_variables(task)
    return variables(task, task.verify_environment.env, "verify")
