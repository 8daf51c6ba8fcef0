"""Leases that outlive the engine: kept before a sandbox is made, for the next engine to remove what is left of it."""

from __future__ import annotations

import math
import time

from greenroom.actors.journal import Keep, Note, Unstorable
from greenroom.actors.records import Lease, Released
from greenroom.actors.stage import Stage
from greenroom.sandboxes.base import SandboxError, SandboxRequest
from greenroom.sandboxes.leftovers import handle_of


async def lease(stage: Stage, request: SandboxRequest, attempt: int) -> None:
    """Wait until the lease is durable.

    Raises:
        CallError: The journal is being restarted; to be tried again.
        SandboxError: It cannot be kept, ever.
    """
    if stage.journal is None:
        return
    kind, handle = handle_of(stage.backend, request.id)
    record = Lease(
        id=request.id,
        backend=kind,
        handle=handle,
        rollout_id=request.rollout_id,
        attempt=attempt,
        deadline=time.time() + request.seconds,
    )
    try:
        await stage.journal.call(Keep(record), timeout=math.inf)
    except Unstorable as error:
        raise SandboxError("boot_failed", f"the sandbox's lease cannot be kept: {error}") from error


def release(stage: Stage, id: str) -> None:
    """Nothing is left of this sandbox, or it was never made."""
    if stage.journal is not None:
        stage.journal.cast(Note(Released(id)))
