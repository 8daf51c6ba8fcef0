from __future__ import annotations

import pytest

from greenroom.actors._boundary import failure_of, failure_of_exit
from greenroom.actors.policy import POLICY, Cause
from greenroom.interception import ModelError
from greenroom.kernel import Crashed, Escalation, Exit, Killed, NotDelivered, Shutdown, TimedOut
from greenroom.messages import Fault, FaultError
from greenroom.sandboxes import SandboxError
from greenroom.sandboxes.install_process import InstallError

SETUP = Fault(blame="task", kind="setup_failed", message="no", phase="setup")


@pytest.mark.parametrize(
    ("error", "cause", "kind"),
    [
        (SandboxError("sandbox_lost", "gone"), "sandbox_failed", "sandbox_lost"),
        (SandboxError("sandbox_closed", "closed"), "actor_failed", "sandbox_closed"),
        (SandboxError("backend_closed", "closed"), "actor_failed", "backend_closed"),
        (ModelError("unavailable", "later"), "model_failed", "unavailable"),
        (ModelError("unauthorized", "never", retryable=False), "model_refused", "unauthorized"),
        (FaultError(SETUP), "setup_failed", "setup_failed"),
        (NotDelivered("nobody there"), "actor_failed", "actor_lost"),
        (ExceptionGroup("", [SandboxError("sandbox_lost", "gone")]), "sandbox_failed", "sandbox_lost"),
        (ValueError("what"), "actor_failed", "actor_failed"),
    ],
)
def test_every_exception_has_somebody_to_blame(error: Exception, cause: Cause, kind: str) -> None:
    """Each kind of exception becomes the fault that the policy has for it."""
    found = failure_of(error, "agent")
    assert (found.cause, found.fault.kind, found.fault.blame) == (cause, kind, POLICY[cause].blame)


def test_a_surprise_keeps_its_traceback_within_bounds() -> None:
    """An unexpected exception is kept with the tail of its traceback."""
    fault = failure_of(ValueError("x" * 10_000), "agent").fault
    assert len(fault.detail) == 4000
    assert fault.message.startswith("ValueError: x")


def test_a_sandboxes_log_is_kept() -> None:
    """What a backend knows in detail about a loss is in the fault."""
    assert failure_of(SandboxError("sandbox_lost", "gone", "out of memory"), "agent").fault.detail == "out of memory"


@pytest.mark.parametrize(
    ("child", "exit", "cause", "kind"),
    [
        ("sandbox", Crashed(SandboxError("sandbox_lost", "gone")), "sandbox_failed", "sandbox_lost"),
        ("verifier", Crashed(ValueError("what")), "verifier_crashed", "verifier_crashed"),
        ("verifier", Killed(), "verifier_crashed", "killed"),
        ("mailbox", Killed(), "actor_failed", "killed"),
        ("agent", TimedOut("start"), "actor_failed", "timed_out"),
    ],
)
def test_escalations_are_followed_to_their_root(child: str, exit: Exit, cause: Cause, kind: str) -> None:
    """An attempt's exit names the child that failed first, and that child's exit is what counts."""
    found = failure_of_exit(Shutdown(Escalation(child, exit)), "agent")
    assert (found.cause, found.fault.kind) == (cause, kind)


@pytest.mark.parametrize(("exit", "kind"), [(Killed(), "killed"), (Shutdown(), "ended_early")])
def test_an_attempt_that_ended_without_a_word_is_the_engines_fault(exit: Exit, kind: str) -> None:
    """An exit that explains nothing is laid to the engine, which tries again."""
    found = failure_of_exit(exit, "agent")
    assert (found.cause, found.fault.kind) == ("actor_failed", kind)


def test_an_installers_last_words_and_where_the_rest_is_are_kept() -> None:
    """The fault has the one line as its message, and the end of the log and the log's path as its detail, once."""
    error = InstallError(
        "install_refused", "tiny@1 was refused", log="x" * 9_000 + "\nthe end\n", log_path="/cache/tiny.log"
    )
    fault = failure_of(error, "boot").fault
    assert (fault.kind, fault.message) == ("install_refused", "tiny@1 was refused")
    assert fault.detail.endswith("xx\nthe end\nlog: /cache/tiny.log")
    assert len(fault.detail) == 4000
