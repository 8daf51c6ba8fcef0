"""How verify commands become a reward. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from greenroom.messages import CommandResult
from greenroom.specs import RewardRule

REWARD_LIMIT = 4096
"""Bytes of a reward file that are looked at; more cannot be one number."""

_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SHOWN = 60


class RewardError(ValueError):
    """A reward file that holds no reward. The text says what it holds instead."""


def by_exit_codes(rule: RewardRule, results: Sequence[CommandResult]) -> float:
    """The reward of the rules ``all`` and ``fraction``. There is at least one result."""
    passed = sum(result.exit_code == 0 for result in results)
    if rule == "fraction":
        return passed / len(results)
    return 1.0 if passed == len(results) else 0.0


def parse_reward(content: bytes | None) -> float:
    """The one finite number in a reward file; ``None`` if there is no such file.

    Raises:
        RewardError: It is missing, empty, infinite, not a number, or more than one.
    """
    if content is None:
        raise RewardError("the verify commands wrote no reward to $GREENROOM_REWARD_FILE")
    text = content.strip()
    if not text:
        raise RewardError("the reward file is empty")
    if len(content) > REWARD_LIMIT or not _NUMBER.fullmatch(text):
        shown = text[:_SHOWN].decode("utf-8", "backslashreplace")
        raise RewardError(f"the reward file holds {shown!r}, which is not one finite number")
    reward = float(text)
    if not math.isfinite(reward):
        raise RewardError(f"the reward {text[:_SHOWN].decode('ascii')} is too large for a number")
    return reward
