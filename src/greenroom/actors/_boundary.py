"""The one place where exceptions become faults. Above it there are values only."""

from __future__ import annotations

import traceback

from msgspec import Struct

from greenroom.actors.policy import POLICY, Cause
from greenroom.interception.errors import ModelError
from greenroom.kernel import CallError, Crashed, Escalation, Exit, Killed, NotDelivered, ReplyLost, Shutdown, TimedOut
from greenroom.messages import Blame, Fault, FaultError, Phase
from greenroom.sandboxes.base import SandboxError

_DETAIL = 4000

ORDINARY = (FaultError, SandboxError, ModelError, ReplyLost, NotDelivered)
"""What ends an attempt without being a defect of ours: a sandbox is lost, and whoever waited for it loses its reply."""

_BY_BLAME: dict[Blame, Cause] = {
    "agent": "agent_not_started",
    "task": "setup_failed",
    "model": "model_failed",
    "sandbox": "sandbox_failed",
    "engine": "actor_failed",
}


class Failure(Struct, frozen=True):
    """What went wrong, in the policy's words and in people's."""

    cause: Cause
    fault: Fault


def failure(cause: Cause, message: str, phase: Phase, *, kind: str = "", detail: str = "") -> Failure:
    """A failure that somebody found out without an exception. ``kind`` is the cause's name unless given."""
    blame = POLICY[cause].blame or "engine"
    tail = detail[-_DETAIL:]
    return Failure(cause, Fault(blame=blame, kind=kind or cause, message=message, phase=phase, detail=tail))


def failure_of(error: BaseException, phase: Phase, *, cause: Cause = "actor_failed") -> Failure:
    """What an exception means. ``cause`` is for those that mean nothing in particular."""
    match error:
        case FaultError(fault=fault):
            return Failure(_BY_BLAME[fault.blame], fault)
        case SandboxError(kind=kind, detail=detail):
            return failure("sandbox_failed", str(error), phase, kind=kind, detail=detail)
        case ModelError(kind=kind, message=message, retryable=retryable):
            return failure("model_failed" if retryable else "model_refused", message, phase, kind=kind)
        case BaseExceptionGroup(exceptions=(first, *_)):
            return failure_of(first, phase, cause=cause)
        case CallError():
            return failure(cause, str(error), phase, kind="actor_lost")
        case _:
            detail = "".join(traceback.format_exception(error))
            return failure(cause, f"{type(error).__name__}: {error}", phase, detail=detail)


def failure_of_exit(exit: Exit, phase: Phase, child: str = "") -> Failure:
    """What the end of an actor means; ``child`` is its name in the attempt. Escalations are followed to their root."""
    cause: Cause = "verifier_crashed" if child == "verifier" else "actor_failed"
    match exit:
        case Shutdown(info=Escalation(child=name, exit=root)):
            return failure_of_exit(root, phase, name)
        case Crashed(exception=error):
            return failure_of(error, phase, cause=cause)
        case Killed():
            return failure(cause, f"{child or 'the attempt'} was killed", phase, kind="killed")
        case TimedOut(what=what):
            return failure(cause, f"{child or 'the attempt'} took too long: {what}", phase, kind="timed_out")
        case _:
            return failure(cause, f"{child or 'the attempt'} ended early", phase, kind="ended_early")
