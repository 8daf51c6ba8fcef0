"""Harbor task directories to test with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

TASK = """
schema_version = "1.4"

[metadata]
difficulty = "easy"
tags = ["file-io", "shell"]

[agent]
timeout_sec = 60.0

[verifier]
timeout_sec = 30.0

[environment]
workdir = "/app"
storage_mb = 100
"""
TEST = """#!/bin/bash
if grep -qx hello /app/greeting.txt; then echo 1 > /logs/verifier/reward.txt
else echo 0 > /logs/verifier/reward.txt; fi
exit 3
"""
SOLVE = """#!/bin/bash
echo "$WORD" > /app/greeting.txt
"""


def harbor(root: Path, toml: str = TASK, files: Mapping[str, str | None] | None = None) -> Path:
    """A directory ``hello`` with these files beside, or instead of, the usual ones; ``None`` leaves a file out."""
    usual: dict[str, str | None] = {
        "task.toml": toml,
        "instruction.md": "# harbor-canary GUID 1\n\nWrite hello into /app/greeting.txt.\n",
        "environment/Dockerfile": "FROM debian\n",
        "tests/test.sh": TEST,
        "solution/solve.sh": SOLVE,
    }
    for name, text in (usual | dict(files or {})).items():
        if text is not None:
            path = root / "hello" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root / "hello"
