from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.actors.reward import REWARD_LIMIT, RewardError, by_exit_codes, check_reward, parse_reward
from greenroom.messages import CommandResult


def results(*codes: int) -> list[CommandResult]:
    """Verify commands that ended so."""
    return [CommandResult(command="x", phase="verify", exit_code=code, output="", seconds=0.0) for code in codes]


@pytest.mark.parametrize(
    ("codes", "every", "fraction"),
    [((0,), 1.0, 1.0), ((0, 1), 0.0, 0.5), ((-9, 127), 0.0, 0.0), ((0, 0, 0, 2), 0.0, 0.75)],
)
def test_exit_codes_become_a_reward(codes: tuple[int, ...], every: float, fraction: float) -> None:
    """`all` wants every command to exit 0, `fraction` gives the share that does."""
    assert by_exit_codes("all", results(*codes)) == every
    assert by_exit_codes("fraction", results(*codes)) == fraction


@pytest.mark.parametrize(
    ("content", "reward"),
    [(b"1", 1.0), (b"0.25\n", 0.25), (b"  -1e-3 ", -0.001), (b".5", 0.5), (b"2.", 2.0), (b"+7E2\r\n", 700.0)],
)
def test_one_finite_number_is_a_reward(content: bytes, reward: float) -> None:
    """A reward file holds one finite number, with white space around it or not."""
    assert parse_reward(content) == reward


def test_a_flat_object_is_rewards_by_name() -> None:
    """A reward file may hold several rewards, as a JSON object of finite numbers; true and false are 1 and 0."""
    assert parse_reward(b' {"tests": 0.5, "style": 1, "fast": true}\n') == {"tests": 0.5, "style": 1.0, "fast": 1.0}


@pytest.mark.parametrize("value", [True, "1", None, [1.0], math.nan, math.inf, 10**400, {}, {1: 1.0}, {"a": math.nan}])
def test_what_a_scorer_gives_is_checked(value: object) -> None:
    """A scorer's reward is a finite number, or finite numbers by name; nothing else passes for one."""
    with pytest.raises(RewardError):
        check_reward(value)


@pytest.mark.parametrize("value", [0, 1.5, {"a": 0, "b": -1.0}])
def test_a_scorers_numbers_are_rewards(value: object) -> None:
    """A number, or numbers by name, are taken as they are."""
    assert check_reward(value) == value


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "wrote no reward"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"nan", "'nan'"),
        (b"-inf", "'-inf'"),
        (b"Infinity", "'Infinity'"),
        (b"1e999", "too large"),
        (b"yes", "'yes'"),
        (b"1 2", "'1 2'"),
        (b"1_000", "'1_000'"),
        (b"0x10", "'0x10'"),
        (b'[{"reward": 1}]', "reward"),
        (b"{", "not JSON"),
        (b"{}", "no reward in it"),
        (b'{"a": 1, "b": "2"}', "'b'"),
        (b'{"a": null}', "'a'"),
        (b'{"a": {"b": 1}}', "'a'"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": 1e999}', "JSON|finite"),
        (b'{"a": 1} {"a": 1}', "not JSON"),
        (b"\xff\xfe1", r"\\xff"),
        (b"\xd9\xa1", "not one finite number"),
        (b"1" + b" " * REWARD_LIMIT, "'1'"),
    ],
)
def test_anything_else_is_refused(content: bytes | None, says: str) -> None:
    """Whatever is no single finite number is refused with an error that shows it."""
    with pytest.raises(RewardError, match=says):
        parse_reward(content)


@given(st.binary(max_size=64))
def test_hostile_content_never_becomes_something_else(content: bytes) -> None:
    """Whatever the bytes are, there is a finite reward or a `RewardError`."""
    with suppress(RewardError):
        reward = parse_reward(content)
        assert all(map(math.isfinite, reward.values() if isinstance(reward, dict) else [reward]))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_prints_is_read_back(reward: float) -> None:
    """Every finite number a program prints is the reward, to the last bit."""
    assert parse_reward(repr(reward).encode()) == reward
