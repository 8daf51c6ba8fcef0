"""Outcomes in the layout of Harbor's trials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from greenroom.engine.trials import Trials
from greenroom.messages import AttemptRecord, CommandResult, Completion, Fault, Outcome, Turn
from greenroom.specs import Artifact, TaskSpec

TASK = TaskSpec(
    id="hello",
    instruction="do it",
    verify=("true",),
    artifacts=(
        Artifact(source="/logs/artifacts"),
        Artifact(source="/app/out", destination="kept"),
        Artifact(source="x"),
    ),
    metadata={"task_name": "org/hello", "source": "tb2"},
    origin="/tasks/hello/task.toml",
)
TIMINGS = {"boot": 1.0, "setup": 2.0, "agent": 3.0, "verify": 4.0, "total": 10.0}


def a_turn(**fields: Any) -> Turn:  # noqa: ANN401 - fields of all types
    """A model call that was answered with two exact tokens."""
    completion = Completion(parts=(), completion_token_ids=(3, 4), logprobs=(-0.5, -0.25))
    return Turn(
        index=0, messages=(), completion=completion, prompt_token_ids=(1, 2), started=0.0, seconds=1.0, **fields
    )


def an_outcome(**fields: Any) -> Outcome:  # noqa: ANN401 - fields of all types
    """One that went well, with what it left."""
    attempt = AttemptRecord(
        number=1,
        status="completed",
        turns=(a_turn(),),
        commands=(
            CommandResult(command="ls", phase="setup", exit_code=0, output="set up\n", seconds=0.1),
            CommandResult(command="/tests/test.sh", phase="verify", exit_code=3, output="tested\n", seconds=0.2),
        ),
        artifacts={"logs/artifacts/a/b": b"\xff", "kept": b"1", "../evil": b"", "manifest.json": b""},
        agent_log="said\n",
        agent_files={"log/t.jsonl": b"{}"},
        timings=TIMINGS,
        agent_seconds=7.5,
        model_seconds=2.25,
    )
    usual: dict[str, Any] = {
        "rollout_id": "r-000001",
        "task_id": "hello",
        "group": "g",
        "sample": 0,
        "agent": "pi",
        "status": "completed",
        "reward": 0.5,
        "reward_valid": True,
        "attempts": (attempt,),
        "timings": {"queued": 5.0, "total": 20.0},
        "created": "2026-01-02T03:04:05+00:00",
    }
    return Outcome(**(usual | fields))


def read(path: Path) -> Any:  # noqa: ANN401 - whatever it holds
    """A JSON file."""
    return json.loads(path.read_text())


def test_a_trial_has_its_files(tmp_path: Path) -> None:
    """Logs, rewards, artifacts and the result lie where Harbor's tools look for them."""
    place = Trials(tmp_path, [TASK], "qwen").write(an_outcome())
    assert place == tmp_path / "hello__r-000001"
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert files == {
        "config.json",
        "lock.json",
        "result.json",
        "trial.log",
        "agent/pi.txt",
        "agent/log/t.jsonl",
        "verifier/test-stdout.txt",
        "verifier/reward.txt",
        "artifacts/manifest.json",
        "artifacts/kept",
        "artifacts/logs/artifacts/a/b",
    }
    assert (place / "agent/pi.txt").read_text() == "said\n"
    assert "  agent's own: 7.500 s, its model's: 2.250 s\n" in (place / "trial.log").read_text()
    assert (place / "verifier/test-stdout.txt").read_text() == "tested\n"
    assert (place / "verifier/reward.txt").read_text() == "0.5\n"
    assert "setup: 'ls': exit code 0" in (place / "trial.log").read_text()
    entries = {entry["source"]: (entry["type"], entry["status"]) for entry in read(place / "artifacts/manifest.json")}
    assert entries == {"/logs/artifacts": ("directory", "ok"), "/app/out": ("file", "ok"), "x": ("directory", "empty")}


def test_the_result_says_what_happened(tmp_path: Path) -> None:
    """Names, times, tokens and rewards are those of the outcome."""
    place = Trials(tmp_path, [TASK], "qwen").write(an_outcome())
    result = read(place / "result.json")
    assert (result["task_name"], result["source"], result["trial_name"]) == ("org/hello", "tb2", "hello__r-000001")
    assert result["task_id"] == {"path": "/tasks/hello"}
    assert result["verifier_result"] == {"rewards": {"reward": 0.5}}
    assert result["exception_info"] is None
    assert (result["started_at"], result["finished_at"]) == ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:30+00:00")
    assert result["agent_execution"] == {
        "started_at": "2026-01-02T03:04:23+00:00",
        "finished_at": "2026-01-02T03:04:26+00:00",
    }
    (detail,) = result["agent_result"]["rollout_details"]
    assert detail == {"prompt_token_ids": [[1, 2]], "completion_token_ids": [[3, 4]], "logprobs": [[-0.5, -0.25]]}
    assert result["config"] == read(place / "config.json")


def test_rewards_with_names_are_a_json_file(tmp_path: Path) -> None:
    """Several rewards keep their names."""
    place = Trials(tmp_path, [TASK]).write(an_outcome(reward={"a": 1.0, "b": 0.0}))
    assert read(place / "verifier/reward.json") == {"a": 1.0, "b": 0.0}
    assert not (place / "verifier/reward.txt").exists()


def test_an_unscored_rollout_has_no_reward(tmp_path: Path) -> None:
    """Without a valid reward there is none in the trial either, and the reason is its exception."""
    fault = Fault(blame="task", kind="verify_timeout", message="too slow", phase="verify", detail="log")
    outcome = an_outcome(status="verifier_failed", reward=None, reward_valid=False, fault=fault, attempts=())
    place = Trials(tmp_path, [TASK]).write(outcome)
    result = read(place / "result.json")
    assert result["verifier_result"] == {"rewards": None}
    assert result["exception_info"]["exception_type"] == "VerifierTimeoutError"
    assert (place / "exception.txt").read_text() == "verify_timeout: too slow\nlog\n"
    assert list((place / "verifier").iterdir()) == []


def test_an_agents_file_names_stay_below_the_trial(tmp_path: Path) -> None:
    """What an agent called its files cannot write anywhere else, nor over what greenroom writes."""
    Trials(tmp_path / "trials", [TASK]).write(an_outcome())
    assert [path.name for path in tmp_path.iterdir()] == ["trials"]
    assert isinstance(read(tmp_path / "trials/hello__r-000001/artifacts/manifest.json"), list)
