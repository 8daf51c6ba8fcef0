"""What tasks ask of their sandboxes, against what those can be. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from greenroom.sandboxes.offers import Offers, cannot, missing, offers
from greenroom.specs import SandboxSpec, TaskSpec


def place_of(task: TaskSpec) -> str:
    """Where messages say a task is."""
    return task.origin or f"task {task.id!r}"


def unmet(task: TaskSpec, sandbox: SandboxSpec) -> list[str]:
    """What such sandboxes cannot honour, each with file, field, value, and what to do about it."""
    kind = type(sandbox).__name__
    return [
        f"{place_of(task)}: $.{field}{shown}: {kind}() sandboxes cannot honour it: {why}; "
        f"choose a sandbox that can, or do without: --ignore {field}"
        for field, shown, why in _unmet(task, offers(sandbox))
    ]


def _unmet(task: TaskSpec, offered: Offers) -> Iterator[tuple[str, str, str]]:
    for name in ("environment", "verify_environment"):
        environment = getattr(task, name)
        if environment is not None:
            for field, why in missing(environment, offered):
                yield f"{name}.{field}", f" = {getattr(environment, field)!r}", why
    for name in ("agent_user", "verify_user"):
        user = getattr(task, name)
        if user is not None and "user" not in offered.words:
            yield name, f" = {user!r}", cannot("user")
