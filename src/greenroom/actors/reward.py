"""How verify commands become a reward. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from greenroom.messages import CommandResult
from greenroom.specs import Reward, RewardRule

REWARD_LIMIT = 64 * 1024
"""Bytes of a reward file that are looked at; more cannot be a reward."""

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


def parse_reward(content: bytes | None, places: str = "$GREENROOM_REWARD_FILE") -> Reward:
    """The one finite number in a reward file, or the numbers of its flat JSON object.

    Args:
        content: Of the file; ``None`` if there is no such file.
        places: Where it could have been.

    Raises:
        RewardError: It is missing, empty, or holds anything else: infinities and texts above all.
    """
    if content is None:
        raise RewardError(f"the verify commands wrote no reward to {places}")
    text = content.strip()
    if not text:
        raise RewardError("the reward file is empty")
    if len(content) > REWARD_LIMIT:
        raise RewardError(f"the reward file holds {_shown(text)}, which goes on for too long")
    return _object(text) if text.startswith(b"{") else _number(text)


def check_reward(value: object) -> Reward:
    """What a scorer gave, if it is a reward. Raises `RewardError`."""
    if isinstance(value, Mapping):
        return _numbers(cast("Mapping[object, object]", value), "the scorer gave")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RewardError(f"the scorer gave {_short(value)}, which is not a number, nor a dict of numbers")
    return _finite(value, f"the scorer gave {_short(value)}")


def positive(reward: Reward | None) -> bool:
    """Whether a reward, or one of several with names, is above 0."""
    match reward:
        case None:
            return False
        case Mapping():
            return any(value > 0 for value in reward.values())
        case _:
            return reward > 0


def _number(text: bytes) -> float:
    if not _NUMBER.fullmatch(text):
        raise RewardError(f"the reward file holds {_shown(text)}, which is not one finite number")
    reward = float(text)
    if not math.isfinite(reward):
        raise RewardError(f"the reward {text[:_SHOWN].decode('ascii')} is too large for a number")
    return reward


def _object(text: bytes) -> dict[str, float]:
    try:
        found: object = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RewardError(f"the reward file holds {_shown(text)}, which is not JSON: {error}") from error
    return _numbers(cast("Mapping[object, object]", found), "the reward file says")


def _numbers(found: Mapping[object, object], who: str) -> dict[str, float]:
    if not found:
        raise RewardError(f"{who} nothing: there is no reward in it")
    rewards: dict[str, float] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, int | float):
            raise RewardError(f"{who} {_short(name)}: {_short(value)}, which is not a finite number by name")
        rewards[name] = _finite(value, f"{who} {_short(name)}: {_short(value)}")
    return rewards


def _finite(value: float, what: str) -> float:
    try:
        reward = float(value)
    except OverflowError:
        reward = math.inf
    if not math.isfinite(reward):
        raise RewardError(f"{what}, which is not finite")
    return reward


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _shown(text: bytes) -> str:
    return repr(text[:_SHOWN].decode("utf-8", "backslashreplace"))
