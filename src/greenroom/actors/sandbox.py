"""The sandbox of one attempt: booted here, lent to the siblings, closed here.

It dies with its sandbox: when that is lost, this actor crashes of it, and the attempt with it.
"""

from __future__ import annotations

import anyio
from msgspec import Struct

from greenroom.actors.events import PhaseEntered, SandboxBooted
from greenroom.actors.interception import OpenDoor
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.stage import SandboxLeased, Stage
from greenroom.kernel import Actor, Call, CallError, Exit, Reply, on
from greenroom.sandboxes import base

_AGAIN_SECONDS = 0.5


class Lent(Struct, frozen=True):
    """A live sandbox, and where the programs in it reach their model."""

    sandbox: base.Sandbox
    base_url: str


class Boot(Call[Lent], frozen=True):
    """Lend the sandbox, as soon as it is there. Fails with `SandboxError` if it does not boot."""


class SandboxView(Struct, frozen=True):
    """What an observer sees."""

    sandbox_id: str
    booted: bool
    waiting: int
    """Siblings that wait for it."""


class _BootFailed(Struct, frozen=True):
    error: base.SandboxError


class _Knock(Struct, frozen=True):
    sandbox: base.Sandbox


class _NobodyThere(Struct, frozen=True):
    sandbox: base.Sandbox


class Sandbox(Actor):
    """Owns the sandbox of an attempt."""

    def __init__(self, stage: Stage, plan: AttemptPlan) -> None:
        self.stage = stage
        self.plan = plan
        self.lent: Lent | None = None
        self.error: base.SandboxError | None = None
        """Why it did not boot."""
        self.waiting: list[Reply[Lent]] = []

    async def started(self) -> None:
        plan = self.plan
        plan.rollout.cast(PhaseEntered(plan.number, "boot", anyio.current_time()))
        self.stage.leases[self.ref] = None
        self.stage.sandboxes.cast(SandboxLeased(self.ref))
        self.run(self._boot(), then=lambda booted: booted, name="boot")

    async def stopped(self, exit: Exit) -> None:
        sandbox = self.stage.leases.get(self.ref)
        if sandbox is not None:
            await sandbox.close()
        self.stage.leases.pop(self.ref, None)

    def observe(self) -> SandboxView:
        return SandboxView(self.plan.sandbox_id, self.lent is not None, len(self.waiting))

    @on(Boot)
    def boot(self, _: Boot) -> Reply[Lent]:
        reply: Reply[Lent] = self.defer()
        self.waiting.append(reply)
        self._tell()
        return reply

    @on(Lent)
    def booted(self, lent: Lent) -> None:
        self.lent = lent
        sandbox = lent.sandbox
        self.plan.rollout.cast(SandboxBooted(self.plan.number, sandbox.id, tuple(sandbox.unsafe)))
        self.run(_watch(sandbox), name="watch")
        self._tell()

    @on(_BootFailed)
    def boot_failed(self, failed: _BootFailed) -> None:
        self.error = failed.error
        self._tell()

    def _tell(self) -> None:
        """Answer those who wait, if there is an answer."""
        if self.lent is None and self.error is None:
            return
        waiting, self.waiting = self.waiting, []
        for reply in waiting:
            if self.lent is not None:
                reply.send(self.lent)
            elif self.error is not None:
                reply.fail(self.error)

    @on(_Knock)
    def knock(self, message: _Knock) -> None:
        self.run(self._open_door(message.sandbox), then=lambda opened: opened, name="door")

    async def _boot(self) -> _Knock | _BootFailed:
        try:
            return _Knock(await self._create())
        except base.SandboxError as error:
            return _BootFailed(error)

    async def _open_door(self, sandbox: base.Sandbox) -> Lent | _BootFailed | _NobodyThere:
        door = OpenDoor(self.ref, sandbox.listener, sandbox.base_url)
        try:
            return Lent(sandbox, await self.stage.interception.call(door))
        except base.SandboxError as error:
            return _BootFailed(error)
        except CallError:
            return _NobodyThere(sandbox)

    @on(_NobodyThere)
    def nobody_there(self, message: _NobodyThere) -> None:
        # The interception is being restarted. The deadline bounds how often this can happen.
        self.after(_AGAIN_SECONDS, _Knock(message.sandbox))

    async def _create(self) -> base.Sandbox:
        seconds = self.plan.budget.boot_seconds(anyio.current_time())
        with anyio.move_on_after(seconds):
            sandbox = await self.stage.backend.create(self._request())
            # No await between these lines: from here on, somebody is responsible for it.
            if self.ref in self.stage.leases:
                self.stage.leases[self.ref] = sandbox
                return sandbox
            # This actor was given up as a zombie, and its lease was struck off, while the sandbox was being made.
            await sandbox.close()
            raise base.SandboxError("boot_failed", "the sandbox came when nobody waited for it any more")
        raise base.SandboxError("boot_timeout", f"the sandbox did not boot within {seconds:.0f} s")

    def _request(self) -> base.SandboxRequest:
        plan = self.plan
        return base.SandboxRequest(
            id=plan.sandbox_id,
            rollout_id=plan.rollout_id,
            env=dict(plan.task.env),
            prefix=self.stage.prefix,
            seconds=plan.budget.seconds(anyio.current_time()),
        )


async def _watch(sandbox: base.Sandbox) -> None:
    raise await sandbox.lost()
