"""Whether a local sandbox really runs: one is made, a program is run in it, and it is closed."""

from __future__ import annotations

from typing import Final

import anyio

from greenroom.sandboxes import Exec, SandboxError, SandboxRequest, open_backend
from greenroom.specs import Local

_SECONDS: Final = 30.0


def try_sandbox() -> float:
    """Seconds from its making to its end.

    Raises:
        SandboxError: It cannot be made, or Python does not run in it.
    """
    return anyio.run(_try)


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
