"""The one place where exceptions become faults. Above it there are values only."""

from __future__ import annotations

import traceback

from msgspec import Struct

from greenroom.actors.policy import POLICY, Cause
from greenroom.interception.errors import ModelError
from greenroom.kernel import CallError, Crashed, Escalation, Exit, Killed, NotDelivered, ReplyLost, Shutdown, TimedOut
from greenroom.messages import Blame, Fault, FaultError, Phase
from greenroom.sandboxes.base import SandboxError
from greenroom.sandboxes.install_process import InstallError

_DETAIL = 4000
_TEXT = 500

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


def failure_of(error: BaseException, phase: Phase, *, cause: Cause = "actor_failed") -> Failure:  # noqa: PLR0911 - one for each kind
    """What an exception means. ``cause`` is for those that mean nothing in particular."""
    match error:
        case FaultError(fault=fault):
            return Failure(_BY_BLAME[fault.blame], fault)
        case SandboxError(kind="sandbox_closed" | "backend_closed" as kind):
            # It did nothing wrong: whoever holds it here has ended before its time.
            return failure("actor_failed", str(error), phase, kind=kind)
        case SandboxError(kind=kind, detail=detail):
            return failure("sandbox_failed", str(error), phase, kind=kind, detail=detail)
        case InstallError(kind=kind, message=message, log=log, log_path=path):
            return failure(cause, message, phase, kind=kind, detail=f"{log.rstrip()}\nlog: {path}" if path else log)
        case ModelError(kind=kind, message=message, retryable=retryable):
            return failure("model_failed" if retryable else "model_refused", message, phase, kind=kind)
        case BaseExceptionGroup(exceptions=(first, *_)):
            return failure_of(first, phase, cause=cause)
        case CallError():
            return failure(cause, str(error), phase, kind="actor_lost")
        case _:
            detail = "".join(traceback.format_exception(error))
            return failure(cause, named(error), phase, detail=detail)


def raised(cause: Cause, who: str, error: BaseException, phase: Phase) -> Failure:
    """A failure of somebody's own code, with its traceback, which begins below whoever caught it."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    detail = "".join(traceback.format_exception(type(error), error, below))
    return failure(cause, f"{who} raised {named(error)}", phase, detail=_both_ends(_storable(detail)))


def named(error: BaseException) -> str:
    """An exception's type, and the beginning of its text. Never raises: the text is its author's code."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a boundary: anybody's exception
        text = "(its text cannot be had)"
    cut = text if len(text) <= _TEXT else f"{text[:_TEXT]} [...]"
    return _storable(f"{type(error).__name__}: {cut}" if cut else type(error).__name__)


def _both_ends(text: str) -> str:
    """Where it was raised and what it says, whichever of them is long."""
    half = _DETAIL // 2 - 10
    return text if len(text) <= _DETAIL else f"{text[:half]}\n[...]\n{text[-half:]}"


def _storable(text: str) -> str:
    """Without halves of surrogate pairs, which no file can hold."""
    return text.encode(errors="backslashreplace").decode()


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


def last_words(exit: Exit, who: str) -> str:
    """Why somebody ended, for people; of a supervisor that gave up, the child whose failures it could not bear."""
    match exit:
        case Shutdown(info=Escalation(child=child, exit=Crashed(exception=error))):
            return f"{child} crashed too often, the last time with {type(error).__name__}: {error}"
        case _:
            return failure_of_exit(exit, "cleanup", who).fault.message


def why_ended_early(exit: Exit, who: str) -> str:
    """Why somebody ended whom nobody had stopped; empty if somebody had."""
    match exit:
        case Shutdown(info=Shutdown(info=Escalation()) as cause):
            return f"the engine failed: {last_words(cause, 'the engine')}"
        case Shutdown(info=Exit() as cause):
            return last_words(cause, f"what {who} belongs to")
        case _:
            return last_words(exit, who) if exit.abnormal else ""
