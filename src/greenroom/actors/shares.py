"""How a deadline is shared out among the phases of a rollout, and where a task asks for more than that. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, structs

from greenroom.specs import TaskSpec

_CLEAN_UP = 15.0
_SECOND_BOOT = 60.0


class Short(Struct, frozen=True):
    """A share that is less than what a task asks for. As text it is a sentence."""

    what: str
    """The task's field: ``agent_timeout`` or ``verify_timeout``."""
    asked: float
    """Seconds, those of the verifier's own sandbox included."""
    share: float
    """Seconds."""
    deadline: float

    def __str__(self) -> str:
        phases = "verification" if self.what == "verify_timeout" else "boot, set-up and agent together"
        return (
            f"the deadline of {self.deadline:g} s leaves {self.share:g} s for {phases}, "
            f"less than the {self.asked:g} s that {self.what} asks for"
        )


class Shares(Struct, frozen=True):
    """Seconds. As text it is a line."""

    deadline: float
    work: float
    """For boot, set-up and agent, one after the other."""
    verification: float
    """Kept for judging."""
    clean_up: float
    """Kept for the end."""

    def rounded(self) -> dict[str, float]:
        """As plain data, to the millisecond."""
        return {name: round(seconds, 3) for name, seconds in structs.asdict(self).items()}

    def __str__(self) -> str:
        return (
            f"deadline {self.deadline:g} s: {self.work:g} s for boot, set-up and agent, "
            f"{self.verification:g} s for verification, {self.clean_up:g} s for clean-up"
        )


def shares_of(task: TaskSpec, seconds: float) -> Shares:
    """The shares of a deadline of so many seconds.

    From the end backwards: clean-up and verification have reserves, and what is left is for the rest, which is at
    least half of the deadline however much the task wants for its verification.
    """
    clean_up = min(_CLEAN_UP, seconds / 10)
    verification = min(_verification(task), seconds * 0.4)
    return Shares(seconds, seconds - clean_up - verification, verification, clean_up)


def short_of(task: TaskSpec, shares: Shares) -> Iterator[Short]:
    """What the task asks for and does not get, field by field."""
    asked = {
        "agent_timeout": (task.agent_timeout, shares.work),
        "verify_timeout": (_verification(task), shares.verification),
    }
    for what, (wanted, share) in asked.items():
        if wanted is not None and wanted > share:
            yield Short(what, wanted, share, shares.deadline)


def _verification(task: TaskSpec) -> float:
    """What is set aside for judging; a sandbox of the verifier's own takes a boot and the task's set-up once more."""
    if not task.verify and task.score is None:
        return 0.0
    again = task.setup_timeout if task.setup and task.verify_environment is None else 0.0
    return task.verify_timeout + (_SECOND_BOOT + again if task.verifier == "isolated" else 0.0)
