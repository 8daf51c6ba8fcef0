"""The types of an installed greenroom are seen by mypy and by pyright."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.packaging.conftest import Built
from tests.packaging.environment import TOOLS, Environment, run
from tests.packaging.test_install import quick_start

pytestmark = [pytest.mark.real_time, pytest.mark.long, pytest.mark.timeout(600)]

RIGHT = """
from collections.abc import AsyncIterator

import greenroom as gr
from greenroom.messages import Completion, ModelCall, Text


async def model(call: ModelCall) -> Completion:
    said: int = len(call.messages)
    return Completion(parts=(Text(f"{call.task_id}: {said}"),))


async def rewards(tasks: list[gr.TaskSpec]) -> AsyncIterator[float]:
    async with gr.Engine("bash", model=model, sandbox=gr.Local(), concurrency=8) as engine:
        async for outcome in engine.run(tasks, samples=2):
            if isinstance(outcome.reward, float):
                yield outcome.reward
"""
WRONG = """
import greenroom as gr
from greenroom.messages import Completion, ModelCall, Text


async def model(call: ModelCall) -> Completion:
    return Completion(parts=(Text(call.index),))  # wrong: a number


async def main() -> None:
    task = gr.TaskSpec(id="x", instruction=7)  # wrong: a number
    async with gr.Engine("bash", model=3) as engine:  # wrong: no model
        async for outcome in engine.run([task]):
            reward: float = outcome.reward  # wrong: it may be None
            outcome.rewrad  # wrong: no such field
    gr.Manager()  # wrong: no such name
    Completion(parts=Text("x"))  # wrong: no tuple
"""


@pytest.fixture
def place(make_environment: Callable[[str], Environment], built: Built) -> Environment:
    """An environment with the wheel, and the programs to be checked."""
    place = make_environment("3.11")
    place.install(f"{built.wheel}[cli]")
    return place


@pytest.fixture
def programs(place: Environment, tree: Path) -> dict[str, str]:
    """Programs by file name, written where they are checked."""
    programs = {"right.py": RIGHT, "quick_start.py": quick_start(tree), "wrong.py": WRONG}
    for name, text in programs.items():
        (place.path / name).write_text(text)
    return programs


def mypy(place: Environment, *names: str) -> set[tuple[str, int]]:
    """Files and lines in which mypy finds an error."""
    options = ("--strict", "--config-file=", "--cache-dir=/dev/null", "--python-executable", place.python)
    done = run(TOOLS / "mypy", *options, *names, cwd=place.path)
    assert done.status in {0, 1}, done.err
    return {(name, int(line)) for name, line in re.findall(r"^(.+?):(\d+): error: ", done.out, re.MULTILINE)}


def pyright(place: Environment, *names: str) -> set[tuple[str, int]]:
    """Files and lines in which pyright finds an error."""
    (place.path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    done = run(TOOLS / "pyright", "--outputjson", "--pythonpath", place.python, *names, cwd=place.path)
    found = msgspec.json.decode(done.out)["generalDiagnostics"]
    errors = [one for one in found if one["severity"] == "error"]
    return {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in errors}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_types_are_visible(
    place: Environment, programs: dict[str, str], checker: Callable[..., set[tuple[str, int]]]
) -> None:
    """README's program and a typed one are fine under strict rules, and each wrong use is an error in its line."""
    wrong = {("wrong.py", number) for number, line in enumerate(WRONG.splitlines(), 1) if "# wrong" in line}
    assert checker(place, *programs) == wrong
