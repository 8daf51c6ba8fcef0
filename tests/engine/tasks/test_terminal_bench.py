"""Terminal-Bench 1 tasks become Harbor's, and whatever would be lost on the way is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.engine.tasks.terminal_bench import convert_tasks

YAML = """
instruction: |-
  Write "hello" into /app/greeting.txt.
  Nothing else.
author_name: Ann
difficulty: easy
tags:
  - file
parser_name: pytest
max_agent_timeout_sec: 900
run_tests_in_same_shell: false
estimated_duration_sec: null
"""
COMPOSE = """
services:
  client:
    build:
      dockerfile: Dockerfile
    image: ${T_BENCH_TASK_DOCKER_CLIENT_IMAGE_NAME}
    container_name: ${T_BENCH_TASK_DOCKER_CLIENT_CONTAINER_NAME}
    command: ["sh", "-c", "sleep infinity"]
    working_dir: /app
    environment:
      - TEST_DIR=${T_BENCH_TEST_DIR}
      - COLOR=blue
    volumes:
      - ${T_BENCH_TASK_LOGS_PATH}:${T_BENCH_CONTAINER_LOGS_PATH}
      - ${T_BENCH_TASK_AGENT_LOGS_PATH}:${T_BENCH_CONTAINER_AGENT_LOGS_PATH}
"""


def old(root: Path, files: Mapping[str, str | None] | None = None) -> Path:
    """A Terminal-Bench 1 task, with these files beside or instead of the usual ones."""
    usual: dict[str, str | None] = {
        "task.yaml": YAML,
        "docker-compose.yaml": COMPOSE,
        "Dockerfile": "FROM debian\nCOPY data.csv /app/\n",
        "data.csv": "1,2\n",
        "run-tests.sh": "grep -qx hello $TEST_DIR/../app/greeting.txt\n",
        "tests/test_outputs.py": "def test(): pass\n",
        "solution.sh": "echo hello > /app/greeting.txt\n",
    }
    for name, text in (usual | dict(files or {})).items():
        if text is not None:
            path = root / "old" / "hello" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root / "old"


def test_a_task_is_converted(tmp_path: Path) -> None:
    """Instruction, limits, image, tests and solution arrive, and the result loads as a Harbor task."""
    target = tmp_path / "new"
    assert convert_tasks(old(tmp_path), target) == [target / "hello"]
    (task,) = load_tasks(target)
    assert task.instruction == 'Write "hello" into /app/greeting.txt.\nNothing else.\n'
    assert (task.agent_timeout, task.verify_timeout) == (900.0, 60.0)
    assert task.env == {"COLOR": "blue", "TEST_DIR": "/tests"}
    assert task.environment is not None
    assert (task.environment.workdir, task.environment.image) == ("/app", None)
    assert task.metadata == {
        "author_name": "Ann", "difficulty": "easy", "tags": '["file"]', "parser_name": "pytest",
    }  # fmt: skip
    assert task.solution is not None
    (tests,) = task.verify_uploads
    assert set(tests.files) == {"run-tests.sh", "test.sh", "test_outputs.py"}
    image = {path.name for path in (target / "hello" / "environment").iterdir()}
    assert image == {"Dockerfile", "data.csv"}


def test_an_image_takes_the_tests_along_only_if_it_says_so(tmp_path: Path) -> None:
    """Tests and solution are in the build context of those images alone that copy them."""
    dockerfile = "FROM debian\nCOPY ./tests/ /check\n"
    convert_tasks(old(tmp_path, {"Dockerfile": dockerfile}), tmp_path / "new")
    context = tmp_path / "new" / "hello" / "environment"
    assert (context / "tests" / "test_outputs.py").is_file()
    assert not (context / "solution.sh").exists()


REFUSED: list[tuple[dict[str, str | None], str]] = [
    ({"docker-compose.yaml": COMPOSE + "  db:\n    image: postgres\n"}, "services (client, db): not convertible"),
    ({"docker-compose.yaml": COMPOSE + "    privileged: true\n"}, "services.client.privileged: not convertible"),
    ({"docker-compose.yaml": COMPOSE + "    volumes: [/etc:/etc]\n"}, "services.client.volumes: not convertible"),
    ({"docker-compose.yaml": COMPOSE.replace("blue", "${X}")}, "services.client.environment.COLOR: '${X}' is only"),
    ({"docker-compose.yaml": COMPOSE + "networks: {}\n"}, "networks: not convertible"),
    ({"task.yaml": YAML.replace("shell: false", "shell: true")}, "run_tests_in_same_shell: agents have no shell"),
    ({"task.yaml": "instruction: [1"}, "not YAML"),
    ({"task.yaml": "difficulty: easy"}, "missing required field `instruction`"),
    ({"run-tests.sh": None}, "run-tests.sh: no such file"),
    ({"solution.sh": None, "solution.yaml": "- x"}, "solution.yaml: recorded keystrokes cannot be run"),
    ({"Dockerfile": None}, "Dockerfile: no such file"),
]


@pytest.mark.parametrize(("files", "says"), REFUSED)
def test_what_would_be_lost_is_refused(tmp_path: Path, files: dict[str, str | None], says: str) -> None:
    """A task that could not be the same afterwards is refused by file and field, and nothing at all is written."""
    with pytest.raises(TaskError) as caught:
        convert_tasks(old(tmp_path, files), tmp_path / "new")
    (problem,) = caught.value.problems
    assert problem.startswith(str(tmp_path / "old" / "hello"))
    assert says in problem
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A task that was converted before is not converted over it."""
    convert_tasks(old(tmp_path), tmp_path / "new")
    with pytest.raises(TaskError, match="hello: exists already"):
        convert_tasks(tmp_path / "old" / "hello", tmp_path / "new")


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyYAML the error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(TaskError, match=r"pip install 'PyYAML>="):
        convert_tasks(old(tmp_path), tmp_path / "new")
