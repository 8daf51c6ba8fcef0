"""Runs an agent the way a sandbox would, but as a plain process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import anyio

from greenroom.specs import AgentSpec, Launch
from greenroom.specs.invocation import invocation


class Run(NamedTuple):
    """What became of it."""

    code: int
    output: str
    workdir: Path
    home: Path


KEY = "key-of-this-attempt"


def launch(
    home: Path, workdir: Path, *, instruction: str, base_url: str, prefix: str = "", api_key: str = KEY
) -> Launch:
    """Build a launch for a process on this machine."""
    return Launch(
        instruction=instruction,
        base_url=base_url,
        api_key=api_key,
        model="some/model:high",
        home=str(home),
        workdir=str(workdir),
        prefix=prefix,
        python=sys.executable,
        seconds=50.0,
    )


async def run_agent(
    spec: AgentSpec,
    directory: Path,
    base_url: str,
    *,
    instruction: str,
    prefix: str = "",
    api_key: str = KEY,
    env: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> Run:
    """Run an agent to its end, with a home of its own whose path holds a space and ``given`` files to work on."""
    home, workdir = directory / "a home", directory / "work"
    for made in (home, workdir, directory / "tmp"):
        made.mkdir()
    told = launch(home, workdir, instruction=instruction, base_url=base_url, prefix=prefix, api_key=api_key)
    built = invocation(spec, told)
    _write(home, built.files)
    _write(workdir, given or {})
    base = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(directory / "tmp")}
    with anyio.fail_after(50):
        ended = await anyio.run_process(
            built.argv,
            input=built.stdin.encode(),
            cwd=workdir,
            env={**base, **built.env, **(env or {})},
            check=False,
            stderr=subprocess.STDOUT,
        )
    return Run(ended.returncode, ended.stdout.decode(), workdir, home)


def _write(directory: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
