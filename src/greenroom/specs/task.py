"""A task: what the agent is asked to do, and how the result is judged."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

RewardRule = Literal["all", "fraction", "file"]
"""How verify commands become a reward.

``all``: 1.0 if every command exits 0, else 0.0. ``fraction``: the share that exits 0. ``file``: the one finite
number the commands write to ``$GREENROOM_REWARD_FILE``, a path that does not exist while the agent lives.
"""


class TaskSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One job for an agent.

    Shell commands run with ``/bin/sh -c`` in the sandbox's work directory; text never passes through a shell unless
    it is one of these commands. Durations are seconds.
    """

    id: str
    """Unique in a run; letters, digits, ``.``, ``_`` and ``-``."""
    instruction: str
    """What the agent is told, byte for byte."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """Files to put in the work directory before set-up: relative path to text."""
    setup: tuple[str, ...] = ()
    """Commands that must all exit 0 before the agent starts."""
    verify: tuple[str, ...] = ()
    """Commands run after the agent is dead. None at all means the reward is ``None``, never 0.0."""
    verify_files: dict[str, str] = field(default_factory=dict[str, str])
    """Files written only after the agent is dead, over whatever it left there."""
    reward: RewardRule = "all"
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Extra environment for set-up, agent and verification."""
    deadline: float | None = None
    """Budget of the whole rollout, from boot to clean-up, every attempt. ``None``: the engine's."""
    agent_timeout: float | None = None
    """Budget of the agent within the deadline. ``None``: what the deadline leaves."""
    setup_timeout: float = 300.0
    verify_timeout: float = 120.0
    """Budget of all verify commands together."""
    max_turns: int | None = None
    """Model calls the agent may make before it is ended politely and the outcome is marked truncated."""
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict[str, str | int | float | bool])
    """Carried to the outcome untouched."""
