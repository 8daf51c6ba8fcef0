"""A place to run the command line in: tasks, scripts of a model, and sockets of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

TASKS = """
[[task]]
id = "solved"
instruction = "make it true"
verify = ["true"]

[[task]]
id = "failed"
instruction = "make it true"
verify = ["false"]
"""
MODEL = """
[[script]]
task = "stuck"
[[script.turns]]
fail = "hang"

[[script]]
[[script.turns]]
text = "there"
"""
STUCK = """
[[task]]
id = "quick"
instruction = "go"

[[task]]
id = "stuck"
instruction = "wait"
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory. Its path is short, as those of sockets must be."""
    with tempfile.TemporaryDirectory(prefix="gr-") as name:
        path = Path(name)
        for file, text in (("tasks.toml", TASKS), ("model.toml", MODEL), ("stuck.toml", STUCK)):
            (path / file).write_text(text)
        monkeypatch.chdir(path)
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        monkeypatch.setenv("XDG_STATE_HOME", f"{name}/state")
        monkeypatch.setenv("TMPDIR", name)
        for variable in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "GREENROOM_MODEL"):
            monkeypatch.delenv(variable, raising=False)
        yield path
