"""One deadline over everything, and how it is shared among the phases. Pure: the time is always handed in.

From the end backwards: clean-up and verification have reserves, the agent gets what is left. A task whose deadline is
short keeps at least half of it for boot, set-up and agent.
"""

from __future__ import annotations

from msgspec import Struct

from greenroom.specs import TaskSpec

_CLEAN_UP = 15.0
_BOOT = 600.0
_SECOND_BOOT = 60.0


class Budget(Struct, frozen=True):
    """Points in time on the event loop's clock, and what the task allows within them."""

    ends: float
    """The rollout must be over."""
    work_ends: float
    """Whatever still runs is stopped; from here on there is only clean-up."""
    agent_ends: float
    """The agent is killed, so that verification has its time."""
    setup: float
    verify: float
    agent: float | None
    boot: float

    def setup_seconds(self, now: float) -> float:
        """What is left for all set-up commands."""
        return _left(self.agent_ends, now, self.setup)

    def agent_seconds(self, now: float) -> float:
        """What is left for the agent."""
        return _left(self.agent_ends, now, self.agent)

    def verify_seconds(self, now: float) -> float:
        """What is left for all verify commands."""
        return _left(self.work_ends, now, self.verify)

    def boot_seconds(self, now: float) -> float:
        """What is left for the boot."""
        return _left(self.agent_ends, now, self.boot)

    def second_boot_seconds(self, now: float) -> float:
        """What is left for the boot of a sandbox of the verifier's own."""
        return _left(self.work_ends, now, self.boot)

    def cleanup_seconds(self, now: float) -> float:
        """How long to wait for clean-up before the outcome is given out without: the reserve, or what is left of it.

        A tenth of that is kept for giving it out.
        """
        return 0.9 * _left(self.ends, now, self.ends - self.work_ends)

    def seconds(self, now: float) -> float:
        """What is left of the whole rollout."""
        return max(0.0, self.ends - now)


def share(task: TaskSpec, seconds: float, now: float) -> Budget:
    """The budget of a rollout that begins now and may take so many seconds."""
    cleanup = min(_CLEAN_UP, seconds / 10)
    verify = min(_verification(task), seconds * 0.4)
    ends = now + seconds
    return Budget(
        ends=ends,
        work_ends=ends - cleanup,
        agent_ends=ends - cleanup - verify,
        setup=task.setup_timeout,
        verify=task.verify_timeout,
        agent=task.agent_timeout,
        boot=min(_BOOT, seconds / 2),
    )


def _verification(task: TaskSpec) -> float:
    """What is set aside for judging; a sandbox of the verifier's own takes a boot and the task's set-up once more."""
    if not task.verify and task.score is None:
        return 0.0
    again = task.setup_timeout if task.setup and task.verify_environment is None else 0.0
    return task.verify_timeout + (_SECOND_BOOT + again if task.verifier == "isolated" else 0.0)


def _left(end: float, now: float, most: float | None) -> float:
    left = max(0.0, end - now)
    return left if most is None else min(left, most)
