"""Harbor's ``[environment]`` and ``[verifier.environment]`` as environments of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from msgspec.structs import asdict, replace

from greenroom.engine.tasks.harbor_schema import EnvironmentTable, TaskTable
from greenroom.specs import Environment, Healthcheck

DIRECTORIES = ("/logs/agent", "/logs/verifier", "/logs/artifacts", "/solution", "/tests")
"""What programs of Harbor's tasks may take for granted."""

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([GMK])\s*", re.IGNORECASE)
_MEGABYTES = {"G": 1024.0, "M": 1.0, "K": 1 / 1024}


def environment(table: EnvironmentTable, directory: Path) -> Environment:
    """The agent's sandbox without its variables; ``directory`` holds the ``Dockerfile``, or there is an image."""
    image = table.docker_image
    return _environment(replace(table, env={}), image=image, build=None if image else str(directory))


def own_image(task: TaskTable, path: Path) -> bool:
    """Whether the verifier has an image of its own, which brings ``/tests`` along."""
    table = _verifiers(task)
    if table is None:
        return False
    given = task.verifier.environment
    return bool(given and given.docker_image) or (path / "tests" / "Dockerfile").is_file()


def verify_environment(task: TaskTable, path: Path) -> Environment | None:
    """The verifier's sandbox, when it is another one than a fresh copy of the agent's."""
    table = _verifiers(task)
    if table is None or (task.verifier.environment is None and not own_image(task, path)):
        return None
    if task.verifier.environment is not None and task.verifier.environment.docker_image:
        return _environment(table, image=table.docker_image, build=None)
    if own_image(task, path):
        return _environment(table, image=None, build=str(path / "tests"))
    image = task.environment.docker_image
    return _environment(table, image=image, build=None if image else str(path / "environment"))


def network(table: EnvironmentTable) -> Literal["none", "public"] | None:
    """What is said of the network; nothing said is nothing asked for."""
    if table.network_mode is not None:
        return "public" if table.network_mode == "public" else "none"
    if table.allow_internet is None:
        return None
    return "public" if table.allow_internet else "none"


def size_problems(task: TaskTable) -> Iterator[str]:
    """Sizes of earlier schema versions that are none, or that contradict those of later ones."""
    for at, table in (("environment", task.environment), ("verifier.environment", task.verifier.environment)):
        for name in ("memory", "storage") if table else ():
            text, now = getattr(table, name), getattr(table, f"{name}_mb")
            size = _megabytes(text)
            if text is not None and size is None:
                yield f"$.{at}.{name}: {text!r} is no size; allowed: a number with G, M or K, or {name}_mb instead"
            elif text is not None and now not in (None, size):
                yield f"$.{at}.{name}: {text!r} contradicts {name}_mb = {now}; give only the latter"


def _verifiers(task: TaskTable) -> EnvironmentTable | None:
    verifier = task.verifier
    if verifier.environment is not None:
        return verifier.environment
    return task.environment if verifier.environment_mode == "separate" else None


def _environment(table: EnvironmentTable, *, image: str | None, build: str | None) -> Environment:
    check = table.healthcheck
    return Environment(
        image=image,
        build=build,
        build_seconds=table.build_timeout_sec,
        cpus=table.cpus,
        memory_mb=table.memory_mb or _megabytes(table.memory),
        storage_mb=table.storage_mb or _megabytes(table.storage),
        network=network(table),
        workdir=table.workdir,
        directories=DIRECTORIES,
        env=table.env,
        healthcheck=Healthcheck(**{name.removesuffix("_sec"): value for name, value in asdict(check).items()})
        if check
        else None,
    )


def _megabytes(text: str | None) -> int | None:
    found = _SIZE.fullmatch(text or "")
    return int(float(found[1]) * _MEGABYTES[found[2].upper()]) if found else None
