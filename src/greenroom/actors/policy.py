"""The error policy: one table. What can become of an attempt, who is to blame, and what follows from it.

Whoever decides looks here and nowhere else: `decision` reads the table, the documentation prints it, the tests walk
through it row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from greenroom.messages import Blame, Status

Cause = Literal[
    "finished",
    "turns_used_up",
    "agent_timeout",
    "agent_cut_short",
    "agent_exit",
    "agent_silent",
    "agent_not_started",
    "setup_failed",
    "sandbox_failed",
    "model_failed",
    "model_refused",
    "model_out_of_reach",
    "reward_invalid",
    "verify_timeout",
    "verify_obstructed",
    "verify_setup_failed",
    "artifacts_refused",
    "scorer_failed",
    "no_verdict",
    "verifier_crashed",
    "actor_failed",
    "deadline_in_boot",
    "deadline_in_setup",
    "deadline_in_agent",
    "deadline_in_verify",
    "cancelled",
    "rollout_lost",
]


class Row(Struct, frozen=True):
    """What follows from one cause."""

    status: Status
    blame: Blame | None
    """``None``: nothing went wrong."""
    retry: bool
    """Whether a whole new attempt is made, while attempts and time allow."""
    graded: bool
    """Whether the verifier judges what the agent left."""
    meaning: str

    @property
    def reward_valid(self) -> bool:
        """Whether a reward of such an attempt may be trained on, provided that the verifier ran to its end."""
        return self.graded


POLICY: Mapping[Cause, Row] = {
    "finished": Row("completed", None, False, True, "the agent ended by itself"),
    "turns_used_up": Row("truncated", None, False, True, "the agent used up its turns or its context"),
    "agent_timeout": Row("agent_timeout", "agent", False, True, "the agent's time was up"),
    "agent_cut_short": Row(
        "agent_timeout",
        "engine",
        False,
        False,
        "its time was up, or too short to begin with: the first attempt had more",
    ),
    "agent_exit": Row("agent_failed", "agent", False, True, "the agent's exit code was not 0"),
    "agent_silent": Row("agent_failed", "agent", False, False, "the agent ended without ever calling its model"),
    "agent_not_started": Row("agent_failed", "agent", False, False, "the agent could not be started"),
    "setup_failed": Row("setup_failed", "task", False, False, "set-up failed or took too long"),
    "sandbox_failed": Row("sandbox_failed", "sandbox", True, False, "the sandbox did not boot, or was lost"),
    "model_failed": Row("model_failed", "model", True, False, "the agent ended because its model did not answer"),
    "model_refused": Row("model_failed", "model", False, False, "the same, and asking again is of no use"),
    "model_out_of_reach": Row(
        "engine_failed", "engine", True, False, "the agent gave up, and the engine's server was down meanwhile"
    ),
    "reward_invalid": Row("verifier_failed", "task", False, False, "the reward was no finite number"),
    "verify_timeout": Row("verifier_failed", "task", False, False, "the verify commands took too long"),
    "verify_obstructed": Row(
        "verifier_failed", "agent", False, False, "the agent left something in the verify files' way"
    ),
    "verify_setup_failed": Row(
        "verifier_failed", "task", False, False, "the tests, or the verifier's own sandbox, could not be set up"
    ),
    "artifacts_refused": Row(
        "verifier_failed", "agent", False, False, "what the agent left for the verifier cannot be taken along"
    ),
    "scorer_failed": Row("verifier_failed", "task", False, False, "the task's scorer raised"),
    "no_verdict": Row("verifier_failed", "task", False, False, "the task's scorer could not tell"),
    "verifier_crashed": Row("verifier_failed", "engine", True, False, "the verifier itself raised"),
    "actor_failed": Row("engine_failed", "engine", True, False, "an actor of the attempt crashed or was killed"),
    "deadline_in_boot": Row("sandbox_failed", "sandbox", False, False, "the deadline passed during boot"),
    "deadline_in_setup": Row("setup_failed", "task", False, False, "the deadline passed during set-up"),
    "deadline_in_agent": Row("agent_timeout", "agent", False, False, "the deadline passed while the agent was ended"),
    "deadline_in_verify": Row("verifier_failed", "task", False, False, "the deadline passed during verification"),
    "cancelled": Row("cancelled", "engine", False, False, "the rollout was cancelled"),
    "rollout_lost": Row("engine_failed", "engine", False, False, "the rollout's own actor crashed or was killed"),
}


def table() -> str:
    """The policy as a Markdown table."""
    head = ("cause", "status", "blame", "retried", "graded", "reward valid", "meaning")
    rows = [
        (cause, row.status, row.blame or "-", _yes(row.retry), _yes(row.graded), _yes(row.reward_valid), row.meaning)
        for cause, row in POLICY.items()
    ]
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _yes(value: bool) -> str:  # noqa: FBT001 - a column of yes and no
    return "yes" if value else "no"
