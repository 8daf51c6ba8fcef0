"""`greenroom tasks`, and what `greenroom run` does with tasks of other kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.process import SECONDS, greenroom
from tests.engine.tasks.harbor_dirs import TASK, harbor
from tests.engine.tasks.test_terminal_bench import old

pytestmark = [pytest.mark.real_time, pytest.mark.long]

IGNORE = ("--ignore", "environment.build")
SOLVED = f'{TASK}\n[solution]\nenv = {{WORD = "hello"}}\n'


def said(*arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    with greenroom(*arguments) as running:
        out, err = running.process.communicate(timeout=SECONDS)
    return running.process.returncode, out, err


def checked(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and what was found of each task."""
    status, out, err = said("tasks", "check", *arguments, "--json")
    assert out, err
    return status, {found["task_id"]: found for found in json.loads(out)}


@pytest.mark.needs("bwrap")
def test_a_good_harbor_task_is_good(place: Path) -> None:
    """A task that its solution passes and nothing does not is good, and the exit status says so."""
    harbor(place / "set", SOLVED)
    status, found = checked("set", *IGNORE)
    assert status == 0
    hello = found["hello"]
    assert (hello["good"], hello["solvable"], hello["trivial"]) == (True, True, False)
    assert (hello["oracle"]["reward"], hello["nop"]["reward"]) == (1.0, 0.0)


OWN = """
[[task]]
id = "good"
instruction = "x"
verify = ["test -f done", "test -f helper"]
reward = "fraction"
solution = {commands = ["touch done"], files = {helper = ""}}

[[task]]
id = "trivial"
instruction = "x"
verify = ["true"]
solution = {commands = ["true"]}

[[task]]
id = "wrong"
instruction = "x"
verify = ["echo no such thing; false"]
solution = {commands = ["echo trying", "exit 3", "echo unreached"]}

[[task]]
id = "unsolved"
instruction = "x"
verify = ["false"]

[[task]]
id = "broken"
instruction = "x"
setup = ["echo cannot; exit 9"]
verify = ["false"]
solution = {commands = ["true"]}
"""


@pytest.mark.needs("bwrap")
def test_every_kind_of_bad_task_is_told_from_a_good_one(place: Path) -> None:
    """Trivial, unsolvable, without a solution and broken: each is said, with the reason and the end of the log."""
    (place / "own.toml").write_text(OWN)
    status, found = checked("own.toml")
    assert status == 1
    assert {name: (each["solvable"], each["trivial"]) for name, each in found.items()} == {
        "good": (True, False),
        "trivial": (True, True),
        "wrong": (False, False),
        "unsolved": (None, False),
        "broken": (None, None),
    }
    assert [name for name, each in found.items() if each["good"]] == ["good"]
    wrong, broken = found["wrong"]["oracle"], found["broken"]["nop"]
    assert (wrong["status"], wrong["log"]) == ("agent_failed", "trying\n")
    assert (broken["reward"], broken["log"]) == (None, "cannot\n")
    assert broken["why"] == "setup_failed: set-up command ended with exit code 9: echo cannot; exit 9"


@pytest.mark.needs("bwrap")
def test_people_get_a_table_and_the_reasons(place: Path) -> None:
    """Without --json there is a verdict for each task, why it is bad, and a total."""
    (place / "own.toml").write_text(OWN)
    status, out, err = said("tasks", "check", "own.toml")
    assert status == 1
    lines = out.splitlines()
    assert lines[0].split() == ["TASK", "VERDICT", "ORACLE", "NOP"]
    verdicts = {line.split()[0]: " ".join(line.split()[1:]) for line in lines[1:6]}
    assert verdicts["good"] == "good 1 0"
    assert verdicts["trivial"] == "doing nothing passes 1 1"
    assert verdicts["unsolved"] == "no solution - 0"
    assert "wrong: oracle: agent_exit: the agent ended with exit code 3" in lines
    assert lines[-1] == "1 of 5 tasks are good"
    assert "good: oracle: completed, reward 1.0" in err


@pytest.mark.parametrize(
    "arguments", [["tasks", "check", "set"], ["run", "set", "--model", "scripted:model.toml", "--out", "out"]]
)
def test_a_sandbox_that_cannot_honour_a_task_is_bad_input(place: Path, arguments: list[str]) -> None:
    """Nothing is tried when a task asks for what the sandbox cannot be: file, field and remedy are said, status 2."""
    path = harbor(place / "set")
    status, out, err = said(*arguments)
    assert (status, out) == (2, "")
    assert not (place / "out").exists()
    assert f"{path.relative_to(place)}/task.toml: $.environment.build" in err
    assert "--ignore environment.build" in err


def test_the_list_says_what_each_task_asks_for(place: Path) -> None:
    """Every task is a line; with --json, each field the sandbox cannot honour is named."""
    harbor(place / "set")
    (place / "set" / "own.toml").write_text('instruction = "x"\nverify = ["true"]\n')
    status, out, _ = said("tasks", "list", "set", "--json")
    rows = {row["id"]: row for row in json.loads(out)}
    assert status == 0
    assert (rows["own"]["reward"], rows["own"]["unmet"], rows["own"]["solution"]) == ("all", [], False)
    assert (rows["hello"]["reward"], rows["hello"]["solution"]) == ("file", True)
    (unmet,) = rows["hello"]["unmet"]
    assert "$.environment.build" in unmet
    _, plain, _ = said("tasks", "list", "set")
    assert [line.split()[0] for line in plain.splitlines()] == ["TASK", "hello", "own"]


@pytest.mark.needs("bwrap")
def test_old_tasks_are_converted_and_checked(place: Path) -> None:
    """A Terminal-Bench 1 task is converted and, in the next command, proved to be good."""
    test = "cat $TEST_DIR/test_outputs.py > /dev/null && grep -qx hello /app/greeting.txt\n"
    old(place, {"run-tests.sh": test})
    status, out, _ = said("tasks", "convert", "old", "new", "--json")
    assert (status, json.loads(out)) == (0, ["new/hello"])
    status, found = checked("new", *IGNORE)
    assert (status, found["hello"]["good"]) == (0, True)
    status, _, err = said("tasks", "convert", "old", "new")
    assert status == 2
    assert "new/hello: exists already" in err


@pytest.mark.needs("bwrap")
def test_a_run_writes_harbors_trials(place: Path) -> None:
    """With --trials each outcome is a directory in Harbor's layout beside greenroom's own results."""
    harbor(place / "set", SOLVED)
    arguments = ("--agent", "oracle", "--model", "scripted:model.toml", "--trials", "trials", "--out", "out", "--json")
    with greenroom("run", "set", *IGNORE, *arguments) as run:
        status, records, err = run.rest()
    assert status == 0, err
    assert [record["reward"] for record in records if record["type"] == "outcome"] == [1.0]
    (trial,) = (place / "trials").iterdir()
    result = json.loads((trial / "result.json").read_text())
    assert (result["task_name"], result["verifier_result"]) == ("hello", {"rewards": {"reward": 1.0}})
    assert (trial / "verifier" / "reward.txt").read_text() == "1.0\n"


@pytest.mark.needs("bwrap")
def test_a_data_set_is_run_through_a_template(place: Path) -> None:
    """Rows of a data set become tasks by a template, from the command line too."""
    (place / "data.jsonl").write_text('{"answer": "true"}\n{"answer": "false"}\n')
    (place / "template.toml").write_text('instruction = "x"\nverify = ["{{ answer }}"]\n')
    arguments = ("--template", "template.toml", "--agent", "nop", "--model", "scripted:model.toml", "--json")
    with greenroom("run", "data.jsonl", *arguments, "--out", "out") as run:
        status, records, err = run.rest()
    assert status == 0, err
    rewards = {record["task_id"]: record["reward"] for record in records if record["type"] == "outcome"}
    assert rewards == {"data-1": 1.0, "data-2": 0.0}
