"""The demo's tasks can be solved, cannot be passed by doing nothing, and its scripted model does what it is for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from greenroom.engine.tasks import load_tasks
from greenroom.interception.script import Script, load
from greenroom.specs import TaskSpec

DEMO = Path(__file__).parents[2] / "examples" / "demo"
TASKS = {task.id: task for task in load_tasks(DEMO / "tasks")}
SCRIPTS = load(DEMO / "model.toml")
REWARDS = {
    "fix-median": (1.0, 0.0, 1.0),
    "parse-log": (1.0, 0.75, 0.25),
    "refactor-invoice": (1.0, 0.0, 0.0),
    "roman-numerals": (1.0, 0.75, 1.0),
    "rotate-backups": (0.6, 1.0, 0.8),
    "slugify": (1.0, 1.0, 0.0),
    "todo-done": (1.0, 0.0, 1.0),
    "tune-config": (1.0, 0.0, 1.0),
}
"""Of samples 0, 1 and 2."""


class Box:
    """A work directory, and a shell in it."""

    def __init__(self, root: Path, env: Mapping[str, str]) -> None:
        self.workdir = root / "work"
        self.reward_file = root / "reward"
        (root / "tmp").mkdir()
        self.workdir.mkdir()
        path = f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
        self._env = {"PATH": path, "HOME": str(root), "TMPDIR": str(root / "tmp"), **env}

    def put(self, files: Mapping[str, str]) -> None:
        """Write files into the work directory."""
        for name, text in files.items():
            path = self.workdir / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())

    def run(self, command: str, **env: str) -> int:
        """Exit code of a shell command; what it prints shows up in the test's report."""
        shell = ["/bin/sh", "-c", command]
        ended = subprocess.run(
            shell, cwd=self.workdir, env=self._env | env, check=False, timeout=30, capture_output=True, text=True
        )
        print(f"$ {command}\n{ended.stdout}{ended.stderr}[{ended.returncode}]")  # noqa: T201 - for the report
        return ended.returncode

    def verify(self, task: TaskSpec) -> float:
        """The reward, by the task's rule."""
        self.put(task.verify_files)
        codes = [self.run(command, GREENROOM_REWARD_FILE=str(self.reward_file)) for command in task.verify]
        if task.reward == "file":
            return float(self.reward_file.read_text())
        passed = [code == 0 for code in codes]
        return float(all(passed)) if task.reward == "all" else sum(passed) / len(passed)


@pytest.fixture
def box(tmp_path: Path, request: pytest.FixtureRequest) -> Box:
    """The task's work directory, set up as an agent finds it."""
    task = TASKS[request.node.callspec.params["task_id"]]
    box = Box(tmp_path, task.env)
    box.put(task.files)
    assert [box.run(command) for command in task.setup] == [0] * len(task.setup)
    return box


def script(task_id: str, sample: int) -> Script:
    """What the model says there."""
    return next(script for script in SCRIPTS if script.fits(task_id, sample, 1))


def commands(script: Script) -> Iterator[str]:
    """What the agent is asked to run."""
    for turn in script.turns:
        for tool in turn.tools:
            yield tool.arguments["command"]


@pytest.mark.real_time
@pytest.mark.parametrize("task_id", TASKS)
def test_doing_nothing_does_not_pass(box: Box, task_id: str) -> None:
    """An agent that leaves the work directory as it is gets no reward at all."""
    assert box.verify(TASKS[task_id]) == 0.0


@pytest.mark.real_time
@pytest.mark.parametrize("sample", [0, 1, 2])
@pytest.mark.parametrize("task_id", TASKS)
def test_script_earns_its_reward(box: Box, task_id: str, sample: int) -> None:
    """The model's commands, carried out for real, earn exactly the reward they are written for."""
    for command in commands(script(task_id, sample)):
        box.run(command)
    assert box.verify(TASKS[task_id]) == REWARDS[task_id][sample]


def test_demo_shows_what_it_should() -> None:
    """Eight tasks with every reward rule; each is solved by some sample and not by another; the tests stay hidden."""
    assert len(TASKS) == 8
    assert set(REWARDS) == set(TASKS)
    assert {task.reward for task in TASKS.values()} == {"all", "fraction", "file"}
    assert all(max(rewards) == 1.0 > min(rewards) for rewards in REWARDS.values())
    assert all(set(task.verify_files) for task in TASKS.values())


def test_scripts_use_the_bash_tool_alone() -> None:
    """Every script works with any agent that has `bash(command)`, one call a turn, and ends with words."""
    for one in SCRIPTS:
        assert one.task in TASKS
        *working, last = one.turns
        assert working
        for turn in working:
            assert [(tool.name, set(tool.arguments)) for tool in turn.tools] == [("bash", {"command"})]
        assert last.text
        assert not last.tools


@pytest.mark.parametrize("sample", [3, 8, 100])
def test_more_samples_than_planned_are_answered(sample: int) -> None:
    """The model has something to say whatever the number of samples."""
    assert all(list(commands(script(task_id, sample))) for task_id in TASKS)
