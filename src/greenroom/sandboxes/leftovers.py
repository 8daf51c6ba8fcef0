"""What a killed engine leaves: named before it is made, and removed by whoever goes on with its run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import anyio.to_thread

from greenroom.sandboxes.base import Backend, SandboxError


@runtime_checkable
class Lasting(Protocol):
    """A backend whose sandboxes may leave something when their engine is killed."""

    kind: str
    """As its spec is tagged."""

    def handle(self, id: str) -> str:
        """By what another process finds the sandbox of this id, which need not be made yet."""
        ...


def handle_of(backend: Backend, id: str) -> tuple[str, str]:
    """Kind and handle of a sandbox that is about to be made; both are empty where backends do not say."""
    return (backend.kind, backend.handle(id)) if isinstance(backend, Lasting) else ("", "")


async def reap(kind: str, handles: Sequence[str]) -> None:
    """Remove what is left of sandboxes whose engine is dead. Nothing left is fine.

    Raises:
        SandboxError: Something could not be removed.
    """
    match kind:
        case "local":
            from greenroom.sandboxes.local.place import reap_places

            try:
                await anyio.to_thread.run_sync(reap_places, handles)
            except OSError as error:
                raise SandboxError("not_removed", f"local sandboxes could not be removed: {error}") from error
        case "docker":
            from greenroom.sandboxes.docker.sweep import reap_containers

            await reap_containers(handles)
        case _:
            pass  # simulated ones are gone with their process
