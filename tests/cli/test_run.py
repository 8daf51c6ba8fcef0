from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.process import SECONDS, all_end, greenroom

pytestmark = pytest.mark.real_time
SIMULATED = ("--sandbox", "simulated:boot=0,turn=0", "--model", "scripted:model.toml")
STUCK = ("run", "stuck.toml", "--model", "scripted:model.toml", "--json", "--out", "out")


def test_json_is_a_start_every_outcome_and_an_end(place: Path) -> None:
    """Each line of standard output is an object; the last one has the totals, and the results lie where it says."""
    with greenroom("run", "tasks.toml", *SIMULATED, "--samples", "2", "--json") as run:
        status, records, said = run.rest()
    assert (status, said) == (0, "")
    assert [record["type"] for record in records] == ["start", *["outcome"] * 4, "end"]
    start, *outcomes, end = records
    assert (start["rollouts"], start["agent"], start["sandbox"]["type"]) == (4, "simulated", "simulated")
    assert {(record["task_id"], record["sample"], record["reward"]) for record in outcomes} == {
        ("solved", 0, 1.0),
        ("solved", 1, 1.0),
        ("failed", 0, 0.0),
        ("failed", 1, 0.0),
    }
    assert (end["statuses"], end["mean_reward"], end["interrupted"]) == ({"completed": 4}, 0.5, None)
    assert Path(end["out"], "run.db").exists()
    assert len(Path(end["out"], "outcomes.jsonl").read_text().splitlines()) == 4


def test_plain_lines_end_with_a_table(place: Path) -> None:
    """Without a terminal there is a line per outcome, the table, the totals and the place of the results."""
    with greenroom("run", "tasks.toml", *SIMULATED, "--out", "out") as run:
        out, err = run.process.communicate(timeout=SECONDS)
    lines = out.splitlines()
    assert (run.process.returncode, err) == (0, "")
    assert lines[0] == f"2 rollouts of 2 tasks with simulated; results: {place}/out"
    assert lines[1].startswith("deadline 1800 s: ")
    assert {line.split("  ")[0].split("] ")[1] for line in lines[2:4]} == {"solved #0", "failed #0"}
    assert [line.split()[:4] for line in lines[5:8]] == [
        ["TASK", "SAMPLE", "STATUS", "REWARD"],
        ["failed", "0", "completed", "0"],
        ["solved", "0", "completed", "1"],
    ]
    assert lines[9].startswith("2 outcomes: 2 completed; mean reward 0.500 over 2 scored; ")
    assert lines[10] == f"results: {place}/out"


DEADLINES = """
[[task]]
id = "a"
instruction = "x"
verify = ["true"]
agent_timeout = 100

[[task]]
id = "b"
instruction = "x"
verify = ["true"]
agent_timeout = 100

[[task]]
id = "c"
instruction = "x"
verify = ["true"]
deadline = 1000
"""
SHARES = [
    "deadline 120 s: 60 s for boot, set-up and agent, 48 s for verification, 12 s for clean-up (2 tasks)",
    "deadline 1000 s: 865 s for boot, set-up and agent, 120 s for verification, 15 s for clean-up (1 task)",
]
SHORT = [
    (
        "the deadline of 120 s leaves 60 s for boot, set-up and agent together, "
        "less than the 100 s that agent_timeout asks for"
    ),
    "the deadline of 120 s leaves 48 s for verification, less than the 120 s that verify_timeout asks for",
]


def test_how_deadlines_are_shared_out_is_said_at_the_start(place: Path) -> None:
    """Each different share is a line, once; one that is less than a task asks for is a warning that names both."""
    (place / "deadlines.toml").write_text(DEADLINES)
    command = ("run", "deadlines.toml", *SIMULATED, "--samples", "2", "--deadline", "120")
    with greenroom(*command, "--out", "plain") as run:
        out, err = run.process.communicate(timeout=SECONDS)
    assert (run.process.returncode, out.splitlines()[1:3]) == (0, SHARES)
    assert [line.partition("note='")[2].rstrip("'") for line in err.splitlines()] == SHORT
    assert (place / "plain" / "greenroom.log").read_text().count("deadline_shared") == 2
    with greenroom(*command, "--out", "json", "--json") as run:
        _, records, err = run.rest()
    assert [share["work"] for share in records[0]["shares"]] == [60.0, 865.0]
    assert err.count("deadline_short") == 2


def test_quiet_says_only_how_it_ended(place: Path) -> None:
    """``--quiet`` is two lines."""
    with greenroom("run", "tasks.toml", *SIMULATED, "--quiet") as run:
        out, _ = run.process.communicate(timeout=SECONDS)
    assert len(out.splitlines()) == 2


def test_tasks_can_be_chosen(place: Path) -> None:
    """``--task`` takes those named, ``--limit`` the first ones."""
    with greenroom("run", "tasks.toml", *SIMULATED, "--json", "--task", "failed") as run:
        assert {record.get("task_id") for record in run.rest()[1]} == {None, "failed"}
    with greenroom("run", "tasks.toml", *SIMULATED, "--json", "--limit", "1") as run:
        assert {record.get("task_id") for record in run.rest()[1]} == {None, "solved"}


@pytest.mark.needs("bwrap")
def test_a_directory_in_use_is_refused(place: Path) -> None:
    """Two runs cannot write to one directory: the second says who is there, with exit status 2."""
    with greenroom(*STUCK) as first:
        assert [first.record()["type"] for _ in range(2)] == ["start", "outcome"]
        with greenroom("run", "tasks.toml", *SIMULATED, "--out", "out") as second:
            _, err = second.process.communicate(timeout=SECONDS)
            assert second.process.returncode == 2
            assert f"process {first.process.pid}" in err


def test_a_reader_that_goes_away_ends_the_run(place: Path) -> None:
    """When nobody reads standard output any more, the run stops in order and says so."""
    with greenroom(*STUCK) as run:
        assert run.process.stdout is not None
        run.process.stdout.close()
        assert run.process.wait(SECONDS) == 1
        assert "standard output was closed" in run.said()


def test_a_machine_without_sandboxes_is_sent_to_the_doctor(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the sandboxes cannot be used, nothing runs, the error says what to install, and the exit status is 1."""
    monkeypatch.setenv("PATH", str(place))
    with greenroom(*STUCK) as run:
        status, records, said = run.rest()
    assert (status, [record["type"] for record in records]) == (1, ["start"])
    assert "bubblewrap" in said
    assert "greenroom doctor" in said


# ------------------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.needs("bwrap")
def test_the_first_signal_stops_in_order(place: Path, number: signal.Signals, status: int) -> None:
    """What runs is cancelled and recorded, what had ended is kept, nothing stays, and the stop was announced."""
    with greenroom(*STUCK) as run:
        assert [run.record()["type"] for _ in range(2)] == ["start", "outcome"]
        sandboxes = run.descendants()
        assert sandboxes
        run.signal(number)
        assert "within 60 s" in run.said()
        code, (cancelled, end), _ = run.rest()
    assert code == status
    assert (cancelled["task_id"], cancelled["status"], cancelled["reward"]) == ("stuck", "cancelled", None)
    assert end["interrupted"] == number.name
    assert len((place / "out" / "outcomes.jsonl").read_text().splitlines()) == 2
    assert all_end(sandboxes)
    assert list((place / "greenroom").iterdir()) == []


@pytest.mark.needs("bwrap")
def test_the_second_signal_ends_at_once(place: Path) -> None:
    """The process is gone without another word, and its sandboxes with it."""
    with greenroom(*STUCK) as run:
        assert [run.record()["type"] for _ in range(2)] == ["start", "outcome"]
        sandboxes = run.descendants()
        assert sandboxes
        # Both come at the same moment, so that there is no time to stop in order.
        run.signal(signal.SIGSTOP)
        run.signal(signal.SIGINT)
        run.signal(signal.SIGTERM)
        run.signal(signal.SIGCONT)
        code, records, _ = run.rest()
    assert code in {130, 143}
    assert records == []
    assert all_end(sandboxes)


def test_a_signal_before_the_first_rollout_is_heard(place: Path) -> None:
    """A run that is interrupted while it gets ready ends in order, too."""
    with greenroom(*STUCK) as run:
        assert run.record()["type"] == "start"
        run.signal(signal.SIGINT)
        code, records, said = run.rest()
    assert (code, records[-1]["type"]) == (130, "end"), said


@pytest.mark.needs("bwrap")
def test_an_engine_that_is_killed_leaves_no_sandbox(place: Path) -> None:
    """SIGKILL of the whole command takes every process of its sandboxes along."""
    with greenroom(*STUCK) as run:
        assert [run.record()["type"] for _ in range(2)] == ["start", "outcome"]
        sandboxes = run.descendants()
        run.signal(signal.SIGKILL)
        run.process.wait(SECONDS)
    assert all_end(sandboxes)
