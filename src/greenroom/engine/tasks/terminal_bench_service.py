"""The one container of a Terminal-Bench 1 task, as its ``docker-compose.yaml`` has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from msgspec import Struct, field

from greenroom.engine.tasks.tree import Table

_CONTAINER = {"build", "image", "environment", "working_dir"}
_LITERAL = {"image", "working_dir"}
_OURS = {"container_name", "command"}
"""Set by whoever runs the task, to what is needed to run it."""
_VOLUMES = {
    "${T_BENCH_TASK_LOGS_PATH}:${T_BENCH_CONTAINER_LOGS_PATH}",
    "${T_BENCH_TASK_AGENT_LOGS_PATH}:${T_BENCH_CONTAINER_AGENT_LOGS_PATH}",
}


class Service(Struct, frozen=True):
    """What the container is made from, and how."""

    context: str = "."
    dockerfile: str = "Dockerfile"
    image: str | None = None
    """Instead of building it."""
    workdir: str | None = None
    env: dict[str, str] = field(default_factory=dict[str, str])


def service_of(compose: Table, where: Path, problems: list[str]) -> Service:
    """The container; what it needs and could not have is added to ``problems``."""
    services = _table(compose.get("services"))
    problems += [f"{where}: {name}: not convertible: a task has one container" for name in _other(compose, services)]
    name = "client" if "client" in services else next(iter(services), "")
    service = _table(services.get(name))
    problems += [f"{where}: services.{name}.{problem}" for problem in _refusals(service)]
    build = service.get("build", {})
    built = {"context": build} if isinstance(build, str) else _table(build)
    image = service.get("image")
    workdir = service.get("working_dir")
    return Service(
        context=str(built.get("context", ".")),
        dockerfile=str(built.get("dockerfile", "Dockerfile")),
        image=str(image) if image and "build" not in service and services else None,
        workdir=str(workdir) if workdir else None,
        env=_environment(service.get("environment")),
    )


def _other(compose: Table, services: Table) -> Iterator[str]:
    yield from (name for name in compose if name not in ("services", "version", "name"))
    if len(services) > 1:
        yield f"services ({', '.join(services)})"


def _refusals(service: Table) -> Iterator[str]:
    for name, value in service.items():
        if name == "volumes" and isinstance(value, list) and set(map(str, cast("list[object]", value))) <= _VOLUMES:
            continue
        if name not in _CONTAINER | _OURS:
            allowed = ", ".join(sorted(_CONTAINER))
            yield f"{name}: not convertible: Harbor's task.toml has no place for it; allowed: {allowed}"
        if name in _LITERAL and isinstance(value, str) and "${" in value and "build" not in service:
            yield f"{name}: {value!r} is only known to Terminal-Bench; give it in full"
    for name, value in _environment(service.get("environment")).items():
        if "${" in value:
            yield f"environment.{name}: {value!r} is only known to Terminal-Bench; give it in full"


def _environment(said: object) -> dict[str, str]:
    if isinstance(said, list):
        pairs = (str(entry).partition("=") for entry in cast("list[object]", said))
        found = {name: value for name, _, value in pairs}
    else:
        found = {name: "" if value is None else str(value) for name, value in _table(said).items()}
    found.pop("TEST_DIR", None)
    return found


def _table(value: object) -> Table:
    return (
        {str(name): item for name, item in cast("dict[object, object]", value).items()}
        if isinstance(value, dict)
        else {}
    )
