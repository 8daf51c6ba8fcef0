"""An agent's spec is tried step by step: what works is said, and of what does not, why."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from msgspec.structs import replace

from greenroom.engine.agent_check import AgentCheck, Step, check
from greenroom.specs import AgentSpec, Invocation, Launch, Local, PythonRecipe
from greenroom.specs.agents import BASH

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.real_time,
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

ASK = """
import json, os, sys, urllib.request
text = sys.stdin.read()
body = {"model": "m", "messages": [{"role": "user", "content": text%s}]}
headers = {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["KEY"]}
url = os.environ["URL"] + "/chat/completions"
json.load(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)))
"""


def asking(mangled: str = "", prepare: Callable[[Launch], tuple[str, ...]] | None = None) -> AgentSpec:
    """An agent that asks its model once, without tools."""

    def command(launch: Launch) -> Invocation:
        argv = prepare(launch) if prepare else (launch.python, f"{launch.home}/ask.py")
        env = {"URL": launch.base_url, "KEY": launch.api_key, "PY": launch.python, "HERE": launch.home}
        return Invocation(argv=argv, env=env)

    return AgentSpec(name="mine", dialect="chat", command=command, files={"ask.py": ASK % mangled})


def shell(script: str, **more: Any) -> AgentSpec:  # noqa: ANN401 - fields of a spec
    """An agent that is a script."""

    def command(_: Launch) -> Invocation:
        return Invocation(argv=("/bin/sh", "-c", script))

    return AgentSpec(name="mine", dialect="chat", command=command, **more)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place of its own for what is installed."""
    monkeypatch.setenv("GREENROOM_CACHE", str(tmp_path / "cache"))


def raising(_: Launch) -> Invocation:
    """A command that never works."""
    return Invocation(argv=(os.environ["NOT_SET_ANYWHERE"],))


def raising_at_last(launch: Launch) -> Invocation:
    """A command that works where it is checked, and nowhere else."""
    if launch.home == "/home/a b":  # where a spec's rules try it
        return Invocation(argv=("/bin/true",))
    raise LookupError(f"no such table for {launch.api_key}")


async def tried(spec: AgentSpec, seconds: float = 60.0) -> AgentCheck:
    """Try it in a sealed sandbox."""
    return await check(spec, Local(), seconds=seconds)


def step(found: AgentCheck, name: str) -> Step:
    """One of the steps."""
    return next(step for step in found.steps if step.name == name)


async def test_an_agent_that_works_passes_every_step() -> None:
    """From spec to exit code, each step says what was seen."""
    found = await tried(BASH)
    assert found.good
    assert [(step.name, step.state) for step in found.steps] == [
        ("spec", "ok"),
        ("installed", "ok"),
        ("sandbox", "ok"),
        ("check", "skipped"),
        ("requires", "ok"),
        ("started", "ok"),
        ("model", "ok"),
        ("instruction", "ok"),
        ("tool call", "ok"),
        ("tool result", "ok"),
        ("end", "ok"),
        ("key", "ok"),
    ]
    assert step(found, "model").detail == "chat at /v1/chat/completions, 2 calls"
    assert step(found, "instruction").detail == "byte for byte"
    assert step(found, "end").detail == "exit code 0"


async def test_an_agent_without_tools_is_not_blamed_for_it() -> None:
    """What cannot be tried is left out, and is no failure."""
    found = await tried(asking())
    assert found.good
    assert step(found, "tool call").state == "skipped"


def absent(_: Launch) -> Invocation:
    """A program that is not there."""
    return Invocation(argv=("/no/such/program",))


def through_a_shell(_: Launch) -> tuple[str, ...]:
    """A command line in which the key stands only once it runs."""
    return ("/bin/sh", "-c", 'exec "$PY" "$HERE/ask.py" "$KEY"')


BROKEN: list[tuple[AgentSpec, str, list[str]]] = [
    (replace(BASH, name="Not Valid"), "spec", ["name: use lower-case letters"]),
    (replace(BASH, command=raising), "spec", ["KeyError('NOT_SET_ANYWHERE')", f"{__file__}:", "os.environ["]),
    (
        replace(BASH, recipe=PythonRecipe(packages=("x @ file:/no/such/directory",)), name="mine"),
        "installed",
        ["exited with"],
    ),
    (replace(BASH, check=("/bin/sh", "-c", "echo it is broken; exit 4")), "check", ["exit code 4", "it is broken"]),
    (replace(BASH, requires=("sh", "no-such-program")), "requires", ["not in the sandbox: no-such-program"]),
    (
        replace(BASH, command=raising_at_last, name="mine"),
        "started",
        ["LookupError: no such table for <the key>", f"{__file__}:", "raise LookupError"],
    ),
    (replace(shell(""), command=absent), "started", ["could not be run"]),
    (shell("echo hello from it"), "model", ["it never called its model"]),
    (replace(BASH, dialect="anthropic"), "model", ["it speaks chat", "dialect='anthropic'"]),
    (asking('.replace("two", "2")'), "instruction", ["its first", "then not"]),
    (asking('[:0] + "hi"'), "instruction", ["nothing of it came"]),
    (shell("exit 3"), "end", ["exit code 3"]),
    (asking(prepare=through_a_shell), "key", ["any process can read it", "ask.py <the key>"]),
]


@pytest.mark.parametrize(("spec", "failed", "said"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.long
async def test_what_does_not_work_is_named(spec: AgentSpec, failed: str, said: list[str]) -> None:
    """The step that fails says why, and what would help; steps before it are fine, the agent's log is kept."""
    found = await tried(spec)
    assert not found.good
    step_ = step(found, failed)
    assert step_.state == "failed"
    assert [words for words in said if words not in step_.detail] == [], step_.detail
    assert step_.remedy or failed == "spec"
    before = found.steps[: found.steps.index(step_)]
    assert {each.state for each in before} <= ({"ok", "skipped"} if failed != "end" else {"ok", "skipped", "failed"})
    if spec.name == "mine" and failed == "model":
        assert found.log == "hello from it"


async def test_an_agent_that_hangs_is_ended() -> None:
    """The time that was given is all it gets."""
    with anyio.fail_after(50):
        found = await tried(shell("sleep 1000"), seconds=8)
    assert "did not end within" in step(found, "end").detail


async def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither processes nor files stay behind, whatever the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for spec in (BASH, shell("sleep 1000 & exit 3")):
        await check(spec, Local(root=str(tmp_path / "root")), seconds=30)
    left = await anyio.to_thread.run_sync(lambda: [path for path in tmp_path.rglob("*") if path.is_file()])
    assert left == []
