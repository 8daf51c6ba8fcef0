"""A task: what the agent is asked to do, and how the result is judged."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from greenroom.specs.environment import Artifact, Collect, Environment, Solution, Upload
from greenroom.specs.scoring import Score

RewardRule = Literal["all", "fraction", "file"]
"""How verify commands become a reward.

``all``: 1.0 if every command exits 0, else 0.0. ``fraction``: the share that exits 0. ``file``: what the commands
write to ``$GREENROOM_REWARD_FILE``, a path that does not exist while the agent lives, or to one of the task's
``reward_files``: one finite number, or a flat JSON object of them.
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
    uploads: tuple[Upload, ...] = ()
    """The same, for directories of this machine, to anywhere in the sandbox."""
    setup: tuple[str, ...] = ()
    """Commands that must all exit 0 before the agent starts."""
    verify: tuple[str, ...] = ()
    """Commands run after the agent is dead. None at all means the reward is ``None``, never 0.0."""
    verify_files: dict[str, str] = field(default_factory=dict[str, str])
    """Files written only after the agent is dead, over whatever it left there."""
    verify_uploads: tuple[Upload, ...] = ()
    """The same, for directories of this machine."""
    verify_env: dict[str, str] = field(default_factory=dict[str, str])
    """Extra environment for verify commands alone."""
    verify_user: str | None = None
    """The sandbox's user who runs them; ``None``: its usual one."""
    verifier: Literal["shared", "isolated"] = "shared"
    """Where they run: in the agent's sandbox, or in a fresh one that gets ``files``, ``setup`` and the artifacts."""
    verify_environment: Environment | None = None
    """The fresh sandbox, if it is another one than the agent's; it gets neither ``files`` nor ``setup`` then."""
    collect: tuple[Collect, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    """What is taken out of the agent's sandbox once the agent is dead."""
    reward: RewardRule = "all"
    reward_files: tuple[str, ...] = ()
    """For ``reward = "file"``: absolute paths in the sandbox, removed before the commands run; the first that is there
    then counts. None: ``$GREENROOM_REWARD_FILE``."""
    score: Score | None = None
    """Judges instead of ``reward``: an async function of an `Evidence`, or its place: ``"package.module:function"``."""
    solution: Solution | None = None
    environment: Environment | None = None
    """What the sandbox has to be. ``None``: any will do."""
    env: dict[str, str] = field(default_factory=dict[str, str])
    """Extra environment for set-up, agent and verification."""
    expand_env: bool = False
    """Variables whose value is ``${NAME}`` or ``${NAME:-default}`` take it from the engine's own environment, when they
    are used: secrets never are part of a task."""
    agent_user: str | None = None
    """The sandbox's user who runs the agent; ``None``: its usual one."""
    deadline: float | None = None
    """Budget of the whole rollout, from boot to clean-up, every attempt. ``None``: the engine's."""
    agent_timeout: float | None = None
    """Budget of the agent within the deadline, without the time for which its model's side holds its calls. ``None``:
    what the deadline leaves, with that time."""
    model_wait: float | None = None
    """For how long the model's side may hold calls, over all attempts, before that counts as the agent's time. 0: it
    counts from the first moment. ``None``: the engine's."""
    retry_with: float | None = None
    """What an attempt after the first must be able to give its agent, or it is not made: up to 1 a share of what the
    first one's agent had, above 1 seconds. ``None``: all of it, or half where nothing but the deadline bounds it."""
    setup_timeout: float = 300.0
    verify_timeout: float = 120.0
    """Budget of all verify commands together."""
    max_turns: int | None = None
    """Model calls the agent may make before it is ended politely and the outcome is marked truncated."""
    host_tools: tuple[str, ...] | None = None
    """Which of the engine's host tools the model may use, by name. ``None``: all of them."""
    metadata: dict[str, str | int | float | bool] = field(default_factory=dict[str, str | int | float | bool])
    """Carried to the outcome untouched."""
    origin: str = ""
    """File the task was read from; messages about it say so."""
