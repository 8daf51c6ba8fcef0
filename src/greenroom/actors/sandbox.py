"""The sandbox of one attempt: booted here, lent to the siblings, closed here.

It dies with its sandbox: when that is lost, this actor crashes of it, and the attempt with it. A verifier's own sandbox
is the same, but boots when it is first asked for, and has no way to a model.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from msgspec import Struct

from greenroom.actors.events import PhaseEntered, SandboxBooted
from greenroom.actors.interception import OpenDoor
from greenroom.actors.leasing import lease, release
from greenroom.actors.plan import AttemptPlan
from greenroom.actors.stage import SandboxLeased, Stage
from greenroom.actors.variables import sandbox_variables, verifier_variables
from greenroom.kernel import Actor, Call, CallError, Exit, Reply, on
from greenroom.sandboxes import base

_AGAIN_SECONDS = 0.5


class Lent(Struct, frozen=True):
    """A live sandbox, and where the programs in it reach their model."""

    sandbox: base.Sandbox
    base_url: str


class Boot(Call[Lent], frozen=True):
    """Lend the sandbox, as soon as it is there. Fails with `SandboxError` if it does not boot."""


class Shut(Call[None], frozen=True):
    """Close the sandbox now. Fails with `SandboxError` if it cannot be closed."""


class SandboxView(Struct, frozen=True):
    """What an observer sees."""

    sandbox_id: str
    booted: bool
    waiting: int
    """Siblings that wait for it."""


class _BootFailed(Struct, frozen=True):
    error: base.SandboxError


class _Shut(Struct, frozen=True, eq=False):
    reply: Reply[None]
    failed: base.SandboxError | None


class _Knock(Struct, frozen=True):
    sandbox: base.Sandbox


class _NobodyThere(Struct, frozen=True):
    sandbox: base.Sandbox


class _NotLeased(Struct, frozen=True):
    pass


class _BootAgain(Struct, frozen=True):
    pass


class Sandbox(Actor):
    """Owns the sandbox of an attempt."""

    def __init__(self, stage: Stage, plan: AttemptPlan, *, verifiers: bool = False) -> None:
        self.stage = stage
        self.plan = plan
        self.verifiers = verifiers
        self.id = f"{plan.sandbox_id}-v" if verifiers else plan.sandbox_id
        self.booting = False
        self.unwatch: Callable[[], object] = _nothing
        """Stops looking whether the sandbox has died."""
        self.lent: Lent | None = None
        self.error: base.SandboxError | None = None
        """Why it did not boot."""
        self.waiting: list[Reply[Lent]] = []

    async def started(self) -> None:
        plan = self.plan
        if self.verifiers:
            return
        plan.rollout.cast(PhaseEntered(plan.number, "boot", anyio.current_time()))
        self._begin()

    def _begin(self) -> None:
        self.booting = True
        self.stage.leases[self.ref] = None
        self.stage.sandboxes.cast(SandboxLeased(self.ref))
        self._try_to_boot()

    def _try_to_boot(self) -> None:
        self.run(self._boot(), then=lambda booted: booted, name="boot")

    async def stopped(self, exit: Exit) -> None:
        sandbox = self.stage.leases.get(self.ref)
        if sandbox is not None:
            await sandbox.close()
            release(self.stage, self.id)
        self.stage.leases.pop(self.ref, None)

    def observe(self) -> SandboxView:
        return SandboxView(self.id, self.lent is not None, len(self.waiting))

    @on(Boot)
    def boot(self, _: Boot) -> Reply[Lent]:
        reply: Reply[Lent] = self.defer()
        self.waiting.append(reply)
        if not self.booting:
            self._begin()
        self._tell()
        return reply

    @on(Shut)
    def shut(self, _: Shut) -> Reply[None]:
        reply: Reply[None] = self.defer()
        self.unwatch()
        self.lent, self.error = None, base.SandboxError("sandbox_closed", "the agent's sandbox was closed")
        self.run(self._close(), then=lambda failed: _Shut(reply, failed), name="shut")
        return reply

    @on(_Shut)
    def was_shut(self, message: _Shut) -> None:
        if message.failed is None:
            message.reply.send(None)
        else:
            message.reply.fail(message.failed)

    @on(Lent)
    def booted(self, lent: Lent) -> None:
        self.lent = lent
        sandbox = lent.sandbox
        if not self.verifiers:
            self.plan.rollout.cast(SandboxBooted(self.plan.number, sandbox.id, tuple(sandbox.unsafe)))
        self.unwatch = self.run(_watch(sandbox), name="watch").cancel
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

    @on(_NotLeased)
    def not_leased(self, _: _NotLeased) -> None:
        # The journal is being restarted. The deadline bounds how often this can happen.
        self.after(_AGAIN_SECONDS, _BootAgain())

    @on(_BootAgain)
    def boot_again(self, _: _BootAgain) -> None:
        self._try_to_boot()

    async def _boot(self) -> _Knock | Lent | _BootFailed | _NotLeased:
        try:
            sandbox = await self._lease_and_create(self._request())
            return Lent(sandbox, "") if self.verifiers else _Knock(sandbox)
        except base.SandboxError as error:
            return _BootFailed(error)
        except CallError:
            return _NotLeased()

    async def _lease_and_create(self, request: base.SandboxRequest) -> base.Sandbox:
        try:
            await lease(self.stage, request, self.plan.number)
            return await self._create(request)
        except BaseException:
            release(self.stage, self.id)  # nothing is left of it
            raise

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

    async def _create(self, request: base.SandboxRequest) -> base.Sandbox:
        now, budget = anyio.current_time(), self.plan.budget
        seconds = budget.second_boot_seconds(now) if self.verifiers else budget.boot_seconds(now)
        with anyio.move_on_after(seconds):
            sandbox = await self.stage.backend.create(request)
            # No await between these lines: from here on, somebody is responsible for it.
            if self.ref in self.stage.leases:
                self.stage.leases[self.ref] = sandbox
                return sandbox
            # This actor was given up as a zombie, and its lease was struck off, while the sandbox was being made.
            await sandbox.close()
            raise base.SandboxError("boot_failed", "the sandbox came when nobody waited for it any more")
        raise base.SandboxError("boot_timeout", f"the sandbox did not boot within {self._within(seconds)}")

    def _within(self, seconds: float) -> str:
        most = self.plan.budget.boot
        whole = self.plan.budget.shares.deadline
        return f"{most:g} s" if seconds >= most else f"{seconds:.1f} s, which is what the deadline of {whole:g} s left"

    def _request(self) -> base.SandboxRequest:
        plan, task = self.plan, self.plan.task
        own = self.verifiers and task.verify_environment is not None
        return base.SandboxRequest(
            id=self.id,
            rollout_id=plan.rollout_id,
            env=verifier_variables(task) if self.verifiers else sandbox_variables(task),
            prefix="" if self.verifiers else self.stage.prefix,
            seconds=plan.budget.seconds(anyio.current_time()),
            environment=task.verify_environment if own else task.environment,
        )

    async def _close(self) -> base.SandboxError | None:
        sandbox = self.stage.leases.get(self.ref)
        try:
            if sandbox is not None:
                await sandbox.close()
        except base.SandboxError as error:
            return error
        # Its lease is struck off only now: whoever looks in between finds somebody responsible for it.
        self.stage.leases.pop(self.ref, None)
        release(self.stage, self.id)
        return None


def _nothing() -> None:
    """Nobody looks."""


async def _watch(sandbox: base.Sandbox) -> None:
    raise await sandbox.lost()
