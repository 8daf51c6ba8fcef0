"""Whether sandboxes can be had: a local one really runs, and a Docker engine answers."""

from __future__ import annotations

from typing import Final

import anyio

from greenroom.cli.errors import BadInput
from greenroom.sandboxes import Exec, SandboxError, SandboxRequest, open_backend
from greenroom.specs import Docker, Local, SandboxSpec

_SECONDS: Final = 30.0


def try_sandbox() -> float:
    """Seconds from its making to its end.

    Raises:
        SandboxError: It cannot be made, or Python does not run in it.
    """
    return anyio.run(_try)


def require(sandbox: SandboxSpec) -> None:
    """Have a Docker engine answer, if the sandboxes need one. Raises `BadInput`."""
    if not isinstance(sandbox, Docker):
        return
    try:
        anyio.run(_answer)
    except SandboxError as error:
        text = f"--sandbox docker: {error} ({error.detail})" if error.detail else f"--sandbox docker: {error}"
        raise BadInput(f"{text}; start one, or name it with DOCKER_HOST; see `greenroom doctor`") from error


async def _answer() -> None:
    from greenroom.sandboxes.docker.address import find_engine
    from greenroom.sandboxes.docker.client import Engine, typed

    engine = Engine(find_engine())
    try:
        async with typed("asking for its version", "docker_unavailable", _SECONDS):
            await engine.version()
    finally:
        await engine.close()


async def _try() -> float:
    began = anyio.current_time()
    try:
        with anyio.fail_after(_SECONDS):
            await _run()
    except TimeoutError as error:
        raise SandboxError("boot_timeout", f"a sandbox did not run within {_SECONDS:g} s") from error
    return anyio.current_time() - began


async def _run() -> None:
    backend = await open_backend(Local())
    try:
        sandbox = await backend.create(SandboxRequest(id="doctor", rollout_id="doctor", seconds=_SECONDS))
        try:
            result = await sandbox.exec(Exec(argv=("python3", "-c", "print(6 * 7)")), timeout=_SECONDS)
        finally:
            await sandbox.close()
    finally:
        await backend.close()
    if result.exit_code or result.output.strip() != b"42":
        raise SandboxError("python_broken", f"python3 fails in the sandbox with exit code {result.exit_code}")
