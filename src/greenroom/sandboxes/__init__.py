"""Where rollouts run: the protocol all backends keep, and how a spec is turned into one of them."""

from __future__ import annotations

from collections.abc import Callable

from greenroom.sandboxes.base import Backend, Exec, ExecResult, Process, Sandbox, SandboxError, SandboxRequest
from greenroom.specs import Docker, Local, SandboxSpec, Simulated

__all__ = [
    "Backend",
    "Exec",
    "ExecResult",
    "Process",
    "Sandbox",
    "SandboxError",
    "SandboxRequest",
    "open_backend",
]


async def open_backend(
    spec: SandboxSpec, *, run: str = "", epoch: int = 1, progress: Callable[[str], None] | None = None
) -> Backend:
    """Open the backend a spec asks for; whoever opens it closes it.

    Args:
        spec: Where rollouts run.
        run: Name of the run, for those who find a sandbox and ask whose it is.
        epoch: Which start of the run this is.
        progress: Told in lines of text what is being prepared.

    Raises:
        SandboxError: the spec is unknown, or this machine cannot serve it.
    """
    from greenroom.sandboxes.platform import why_not_here

    if reason := why_not_here(spec):
        raise SandboxError("needs_linux", reason)
    # Imported when needed: some backends bring large libraries.
    match spec:
        case Local():
            from greenroom.sandboxes.local import open_local

            return await open_local(spec)
        case Docker():
            from greenroom.sandboxes.docker import open_docker

            return await open_docker(spec, run=run, epoch=epoch, progress=progress)
        case Simulated():
            from greenroom.sandboxes.simulated import SimulatedBackend

            return SimulatedBackend(spec)
        case _:
            raise SandboxError("unknown_sandbox", f"no backend for the sandbox spec {type(spec).__name__}")
