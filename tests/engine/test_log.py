"""What a library's log says of rollouts that are tried again."""

from __future__ import annotations

import logging

import pytest

from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Text
from greenroom.specs import Simulated
from tests.engine.playing import an_engine, play, tasks

pytestmark = pytest.mark.anyio
Logged = pytest.LogCaptureFixture


async def flaky(call: ModelCall) -> Completion:
    """A model that does not answer first attempts."""
    if call.attempt == 1:
        raise ModelError("unavailable", "it is down", retryable=True)
    return Completion(parts=(Text("ok"),))


async def test_a_failed_model_is_a_line_each(caplog: Logged) -> None:
    """An attempt that is made again is one line at level info, which says whose it is, which, and why."""
    caplog.set_level(logging.INFO)
    outcomes = await play(an_engine(model=flaky), tasks(3))
    lines = [vars(record) for record in caplog.records if record.message == "attempt_failed"]
    assert {line["levelname"] for line in lines} == {"INFO"}
    assert sorted((line["rollout"], line["attempt"], line["cause"], line["why"]) for line in lines) == [
        (outcome.rollout_id, 1, "model_failed", "unavailable: it is down")
        for outcome in sorted(outcomes, key=lambda outcome: outcome.rollout_id)
    ]


async def test_lost_sandboxes_are_no_crashes(caplog: Logged) -> None:
    """Sandboxes that do not boot or die are retried with a line each, and nothing is said at a higher level."""
    caplog.set_level(logging.INFO)
    outcomes = await play(an_engine(model=flaky, sandbox=Simulated(fault_rate=0.7), deadline=400), tasks(20))
    attempts = [attempt for outcome in outcomes for attempt in outcome.attempts]
    retried = len(attempts) - len(outcomes)
    assert {"sandbox_failed", "model_failed"} <= {attempt.status for attempt in attempts}
    assert sum(record.message == "attempt_failed" for record in caplog.records) == retried
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == []
    assert "crashed" not in caplog.text
