"""What a Harbor task may ask for, and greenroom does not honour: by field, with the reason and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from greenroom.engine.tasks.harbor_environment import network
from greenroom.engine.tasks.harbor_schema import VERSIONS, AgentTable, EnvironmentTable, TaskTable, VerifierTable

_COMPOSE = ("docker-compose.yaml", "docker-compose.yml", "compose.yaml", "compose.yml")
_HERE = "not honoured by greenroom"
_ONE = f"{_HERE}: there is one container; allowed: main"


def refusals(task: TaskTable, path: Path) -> Iterator[str]:
    """All of them; none means that the task is run as it is meant."""
    version = task.version or task.schema_version
    if version not in VERSIONS:
        yield f"$.schema_version: {version!r} is not known; allowed: {', '.join(VERSIONS)}"
    if task.steps:
        yield f"$.steps: {_HERE}: tasks have one step; make each step a task of its own"
    yield from _environment("environment", task.environment)
    if task.verifier.environment is not None:
        yield from _environment("verifier.environment", task.verifier.environment)
    yield from _phase("agent", task.agent, task.environment)
    yield from _phase("verifier", task.verifier, task.verifier.environment or task.environment)
    yield from _verifier(task)
    yield from _artifacts(task)
    yield from _files(task, path)


def _environment(at: str, table: EnvironmentTable) -> Iterator[str]:
    if table.os.lower() != "linux":
        yield f"$.{at}.os: {table.os!r} is {_HERE}; allowed: linux"
    for name in ("gpus", "gpu_types", "tpu"):
        if getattr(table, name):
            yield f"$.{at}.{name}: {_HERE}: sandboxes have no accelerators; leave it out if the task runs without"
    for name in ("skills_dir", "mcp_servers"):
        if getattr(table, name):
            yield f"$.{at}.{name}: {_HERE}: agents run as they ship; leave it out if the task can be solved without"
    yield from _network(at, table.network_mode, table.allowed_hosts)


def _network(at: str, mode: str | None, hosts: list[str] | None) -> Iterator[str]:
    if mode == "allowlist":
        yield f"$.{at}.network_mode: 'allowlist' is {_HERE}; allowed: public, no-network"
    elif hosts:
        yield f"$.{at}.allowed_hosts: is for network_mode = 'allowlist', which is {_HERE}"


def _phase(at: str, table: AgentTable | VerifierTable, around: EnvironmentTable) -> Iterator[str]:
    yield from _network(at, table.network_mode, table.allowed_hosts)
    if table.network_mode in {"public", "no-network"}:
        wanted = network(EnvironmentTable(network_mode=table.network_mode))
        if wanted != network(around):
            yield (
                f"$.{at}.network_mode: a network of its own for one phase is {_HERE}; "
                f"give the same to environment.network_mode"
            )


def _verifier(task: TaskTable) -> Iterator[str]:
    verifier = task.verifier
    if verifier.environment_mode == "shared" and verifier.environment is not None:
        yield "$.verifier.environment: contradicts environment_mode = 'shared'; only one of them may be"
    for index, hook in enumerate(verifier.collect):
        if hook.service != "main":
            yield f"$.verifier.collect[{index}].service: {hook.service!r}: {_ONE}"
        if hook.user is not None:
            yield f"$.verifier.collect[{index}].user: {_HERE}: the sandbox's usual user runs it; leave it out"


def _artifacts(task: TaskTable) -> Iterator[str]:
    for index, entry in enumerate(task.artifacts):
        if not isinstance(entry, str) and entry.service not in (None, "main"):
            yield f"$.artifacts[{index}].service: {entry.service!r}: {_ONE}"


def _files(task: TaskTable, path: Path) -> Iterator[str]:
    for name in ("environment", "tests"):
        for compose in _COMPOSE:
            if (path / name / compose).exists():
                yield f"{name}/{compose}: {_HERE}: a task has one container; a Dockerfile, or docker_image, makes it"
    if (path / "trajectory.json").exists():
        yield f"trajectory.json: {_HERE}: agents begin afresh; remove it if the task makes sense without"
    for name in ("tests", "solution"):
        if any((path / name).rglob(".harborignore")):
            yield f"{name}/.harborignore: {_HERE}: all files are uploaded; remove those that should not be"
    if not (path / "instruction.md").is_file():
        yield "instruction.md: required, but missing"
    if task.environment.docker_image is None and not (path / "environment" / "Dockerfile").is_file():
        yield "$.environment.docker_image: required without environment/Dockerfile"
