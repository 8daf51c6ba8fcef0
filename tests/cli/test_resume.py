from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.cli.process import greenroom

pytestmark = [pytest.mark.real_time, pytest.mark.long]
MODEL = ("--model", "scripted:model.toml")
RUN = ("run", "stuck.toml", *MODEL, "--samples", "2", "--json", "--out", "out")
UNSTUCK = "[[script]]\n[[script.turns]]\ntext = 'there'\n"

QUICK = ("--sandbox", "simulated:boot=0,turn=0", "--model", "model.toml", "--json")


def interrupted(number: signal.Signals) -> None:
    """A run of two rollouts that ended and two that hung until it was stopped."""
    with greenroom(*RUN) as run:
        assert [run.record()["type"] for _ in range(3)] == ["start", "outcome", "outcome"]
        run.signal(number)
        run.process.wait(50)


def final() -> list[tuple[str, int]]:
    """What the store holds of each rollout in the end."""
    with closing(sqlite3.connect("out/run.db")) as database:
        query = "SELECT task_id, sample FROM outcome WHERE superseded = 0 ORDER BY task_id, sample"
        return database.execute(query).fetchall()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
@pytest.mark.needs("bwrap")
def test_a_run_is_finished(place: Path, number: signal.Signals) -> None:
    """``resume`` needs the directory alone: it runs what was killed or cancelled, and tells of that alone."""
    interrupted(number)
    (place / "model.toml").write_text(UNSTUCK)
    with greenroom("resume", "out", "--json") as again:
        status, records, said = again.rest()
    start, *outcomes, end = records
    assert (status, said) == (0, "")
    assert (start["rollouts"], start["done"]) == (4, 2)
    assert {(record["task_id"], record["sample"], record["status"]) for record in outcomes} == {
        ("stuck", 0, "completed"),
        ("stuck", 1, "completed"),
    }
    assert (end["outcomes"], end["statuses"]) == (4, {"completed": 4})
    assert final() == [("quick", 0), ("quick", 1), ("stuck", 0), ("stuck", 1)]


def test_a_finished_run_is_only_told(place: Path) -> None:
    """Nothing is left to do: the table has every outcome, and nothing runs."""
    with greenroom(
        "run", "tasks.toml", "--sandbox", "simulated:boot=0,turn=0", *MODEL, "--quiet", "--out", "out"
    ) as run:
        run.process.communicate(timeout=50)
    with greenroom("resume", "out") as again:
        out, err = again.process.communicate(timeout=50)
    lines = out.splitlines()
    assert (again.process.returncode, err) == (0, "")
    assert lines[0] == f"2 rollouts of 2 tasks with simulated, 2 of them done; results: {place}/out"
    assert lines[-2].startswith("2 outcomes: 2 completed; mean reward 0.500 over 2 scored; ")


@pytest.mark.needs("bwrap")
def test_a_difference_is_refused_by_field(place: Path) -> None:
    """What differs is shown before anything starts, with exit status 2; named, it is allowed."""
    interrupted(signal.SIGKILL)
    (place / "model.toml").write_text(UNSTUCK)
    with greenroom("resume", "out", "--deadline", "77") as refused:
        _, err = refused.process.communicate(timeout=50)
    assert refused.process.returncode == 2
    assert "deadline: 1800.0 -> 77.0" in err
    assert "--allow-changes deadline" in err
    with greenroom("resume", "out", "--deadline", "77", "--allow-changes", "deadline", "--json") as allowed:
        status, records, _ = allowed.rest()
    assert (status, records[-1]["outcomes"]) == (0, 4)


@pytest.mark.needs("bwrap")
def test_the_same_command_goes_on_as_well(place: Path) -> None:
    """``run`` into a directory with the same run finishes it; with other tasks it is refused."""
    interrupted(signal.SIGKILL)
    (place / "model.toml").write_text(UNSTUCK)
    with greenroom("run", "tasks.toml", *RUN[2:]) as other:
        _, err = other.process.communicate(timeout=50)
    assert other.process.returncode == 2
    assert "missing: quick, stuck" in err
    with greenroom(*RUN) as same:
        status, records, _ = same.rest()
    assert (status, records[-1]["statuses"]) == (0, {"completed": 4})
    assert [record["task_id"] for record in records if record["type"] == "outcome"] == ["stuck", "stuck"]


@pytest.mark.needs("bwrap")
def test_what_is_no_run_is_refused(place: Path) -> None:
    """A directory without a run, or with one that only its own program can go on with, says so with exit status 2."""
    with greenroom("resume", str(place)) as nothing:
        _, err = nothing.process.communicate(timeout=50)
    assert (nothing.process.returncode, "no run.db" in err) == (2, True)
    assert not (place / "run.db").exists()
    interrupted(signal.SIGKILL)
    with closing(sqlite3.connect("out/run.db", isolation_level=None)) as database:
        (config,) = database.execute("SELECT config FROM run").fetchone()
        own = msgspec.json.decode(config) | {"model": "<my_model>"}
        database.execute("UPDATE run SET config = ?", (msgspec.json.encode(own).decode(),))
    with greenroom("resume", "out") as program:
        _, err = program.process.communicate(timeout=50)
    assert program.process.returncode == 2
    assert "<my_model>, which only its own program has" in err


def test_a_typo_is_no_problem_of_the_disk(place: Path) -> None:
    """A run that is not there is said to be not there, with those that may have been meant."""
    for name in ("20260101-first", "20260102-second", "other"):
        with greenroom("run", "tasks.toml", *QUICK, "--out", f"runs/{name}") as run:
            assert run.rest()[0] == 0
    for wanted, words in {
        "runs/20260101-frist": ["runs/20260101-frist: there is no such run", "did you mean runs/20260101-first"],
        "runs/zzz": ["there is no such run", "there are: runs/other"],
        "runs": ["there is no run in this directory", "runs/other"],
        "runs/other/run.db": ["this is a file", "did you mean runs/other?"],
        "elsewhere/x": ["there is no such run", "`greenroom run` begins one"],
    }.items():
        with greenroom("resume", wanted) as typo:
            _, said = typo.process.communicate(timeout=50)
        assert typo.process.returncode == 2
        assert [word for word in words if word not in said] == [], said
        assert "disk" not in said
        assert not (place / "elsewhere").exists()
