"""The demo as a newcomer starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.test_demo_tasks import DEMO, REWARDS

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.needs("bwrap")]


def test_the_demo_ends_with_an_outcome_for_every_rollout(tmp_path: Path) -> None:
    """24 outcomes with the rewards the script is made for; the rollout whose sandbox was killed took two attempts."""
    out = tmp_path / "out"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for variable in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "GREENROOM_MODEL"):
        environment.pop(variable, None)
    command = [sys.executable, str(DEMO / "run.py"), "--agents", "bash", "--out", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=55, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    outcomes = [json.loads(line) for line in (out / "bash" / "outcomes.jsonl").read_text().splitlines()]
    found = {(outcome["task_id"], outcome["sample"]): outcome["reward"] for outcome in outcomes}
    assert found == {
        (task, sample): reward for task, rewards in REWARDS.items() for sample, reward in enumerate(rewards)
    }
    retried = [outcome for outcome in outcomes if len(outcome["attempts"]) > 1]
    assert [(outcome["task_id"], outcome["attempts"][0]["fault"]["blame"]) for outcome in retried] == [
        ("fix-median", "sandbox")
    ]
    assert "killed on purpose" in done.stdout
    assert str(out) in done.stdout
