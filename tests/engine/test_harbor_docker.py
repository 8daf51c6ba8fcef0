"""Harbor tasks for real, unchanged, in containers: images, builds, limits, and a verifier with an image of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.engine import Engine
from greenroom.engine.tasks import load_tasks
from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Outcome
from greenroom.specs import Docker
from tests.engine.tasks.harbor_dirs import harbor

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.containers,
    pytest.mark.real_time,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True),
]

TASK = """
schema_version = "1.4"
artifacts = ["/app/greeting.txt"]
[agent]
timeout_sec = 60
[verifier]
timeout_sec = 30
[environment]
IMAGE
workdir = "/app"
cpus = 1
memory_mb = 256
storage_mb = 100
network_mode = "no-network"
[environment.healthcheck]
command = "test -d /app && test -w /logs/verifier"
[solution]
env = {WORD = "hello"}
"""
TEST = """#!/bin/sh
cat /built /own 2>/dev/null
if grep -qx hello /app/greeting.txt; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
exit 3
"""
SOLVE = '#!/bin/sh\necho "$WORD" > /app/greeting.txt\n'
FILES: dict[str, str | None] = {"tests/test.sh": TEST, "solution/solve.sh": SOLVE, "environment/Dockerfile": None}


async def nobody(_: ModelCall) -> Completion:
    """No model is needed."""
    raise ModelError("unavailable", "there is no model")


async def outcomes(spec: Docker, path: Path) -> dict[str, Outcome]:
    """What becomes of the task there, by agent."""
    found: dict[str, Outcome] = {}
    for agent in ("oracle", "nop"):
        async with Engine(agent, model=nobody, sandbox=spec) as engine:
            (found[agent],) = [outcome async for outcome in engine.run(load_tasks(path))]
    return found


def verdicts(found: dict[str, Outcome]) -> dict[str, tuple[str, object, bool]]:
    """In short."""
    return {agent: (outcome.status, outcome.reward, outcome.reward_valid) for agent, outcome in found.items()}


GOOD = {"oracle": ("completed", 1.0, True), "nop": ("completed", 0.0, True)}


async def test_an_image_is_run_as_it_is(tmp_path: Path, docker_spec: Docker) -> None:
    """A directory with a prebuilt image runs without a change: paths, limits, health, artifacts, rewards."""
    path = harbor(tmp_path, TASK.replace("IMAGE", f'docker_image = "{docker_spec.image}"'), FILES)
    found = await outcomes(docker_spec, path)
    assert verdicts(found) == GOOD
    attempt = found["oracle"].attempts[0]
    assert attempt.artifacts == {"app/greeting.txt": b"hello\n"}
    assert [(command.phase, command.exit_code) for command in attempt.commands] == [("setup", 0), ("verify", 3)]


async def test_a_dockerfile_is_built(tmp_path: Path, docker_spec: Docker) -> None:
    """A directory with a Dockerfile and its context is built, and run as any other."""
    files = FILES | {
        "environment/Dockerfile": f"FROM {docker_spec.image}\nCOPY data.txt /built\n",
        "environment/data.txt": "from the context\n",
    }
    found = await outcomes(docker_spec, harbor(tmp_path, TASK.replace("IMAGE", ""), files))
    assert verdicts(found) == GOOD
    assert found["nop"].attempts[0].commands[-1].output.startswith("from the context\n")


async def test_a_separate_verifier_has_its_own_image(tmp_path: Path, docker_spec: Docker) -> None:
    """``tests/Dockerfile`` brings the tests along, and the artifacts lie where the agent left them."""
    files = FILES | {
        "tests/Dockerfile": f"FROM {docker_spec.image}\nCOPY test.sh /tests/\nCOPY own /own\nRUN chmod 755 /tests/*\n",
        "tests/own": "the verifier's\n",
    }
    toml = TASK.replace("IMAGE", f'docker_image = "{docker_spec.image}"')
    path = harbor(tmp_path, toml.replace("[verifier]", '[verifier]\nenvironment_mode = "separate"'), files)
    found = await outcomes(docker_spec, path)
    assert verdicts(found) == GOOD
    assert found["nop"].attempts[0].commands[-1].output.startswith("the verifier's\n")
