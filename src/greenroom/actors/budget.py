"""One deadline over everything, and what is left of it for each phase. Pure: the time is always handed in."""

from __future__ import annotations

from msgspec import Struct

from greenroom.actors.shares import Shares, shares_of
from greenroom.specs import TaskSpec

_BOOT = 600.0
_ENOUGH = 0.5
"""Of a time that nothing but the deadline bounds: nobody can have all of that a second time."""
_ROUNDING = 1e-6


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
    began: float
    shares: Shares

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

    def fair_seconds(self, first: float, asked: float | None) -> float:
        """Seconds that a later attempt must be able to give its agent.

        Args:
            first: What the first attempt's had.
            asked: The task's ``retry_with``.
        """
        if asked is None:
            return first if self.agent is not None and first >= self.agent else _ENOUGH * first
        return min(first, asked) if asked > 1 else first * asked

    def fair_until(self, seconds: float, before: float) -> float:
        """Until when an attempt can begin that gives its agent so much, if ``before`` passes until that is started."""
        return self.agent_ends - before - seconds + _ROUNDING

    def within(self, seconds: float, name: str, asked: float | None) -> str:
        """How long something had, in words: the task's limit of this name, or what the deadline left of it."""
        if asked is not None and seconds >= asked:
            return f"{asked:g} s, the task's {name}"
        left = f"{seconds:.1f} s, which is what the deadline of {self.shares.deadline:g} s left"
        return left if asked is None else f"{left} of the task's {name} of {asked:g} s"

    def seconds(self, now: float) -> float:
        """What is left of the whole rollout."""
        return max(0.0, self.ends - now)


def share(task: TaskSpec, seconds: float, now: float) -> Budget:
    """The budget of a rollout that begins now and may take so many seconds."""
    shares = shares_of(task, seconds)
    ends = now + seconds
    return Budget(
        ends=ends,
        work_ends=ends - shares.clean_up,
        agent_ends=ends - shares.clean_up - shares.verification,
        setup=task.setup_timeout,
        verify=task.verify_timeout,
        agent=task.agent_timeout,
        boot=min(_BOOT, seconds / 2),
        began=now,
        shares=shares,
    )


def _left(end: float, now: float, most: float | None) -> float:
    left = max(0.0, end - now)
    return left if most is None else min(left, most)
