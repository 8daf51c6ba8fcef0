"""What a sender can learn. Call errors say whether trying again is safe."""

from __future__ import annotations

from greenroom.kernel._exit import Crashed, Exit


class CallError(Exception):
    """A call did not get its reply."""


class NotDelivered(CallError):
    """The actor never looked at the message: it was dead, refused it, or ended before. Safe to try again."""


class MailboxFull(NotDelivered):
    """The actor's mailbox is bounded, full, and fails rather than drops."""


class CallCycle(NotDelivered):
    """The call would wait for itself: the actors named wait for one another."""


class ReplyLost(CallError):
    """The actor ended with the message in hand. It may have acted on it: trying again is not safe by itself."""


class CallTimeout(CallError, TimeoutError):
    """No reply within the deadline. A late reply is dropped and counted as a dead letter."""


class StartFailed(Exception):
    """A child could not be started; ``exit`` says why."""

    def __init__(self, child: str, exit: Exit) -> None:
        self.child: str = child
        self.exit: Exit = exit
        # A supervisor that could not start because of its child says so in one breath.
        if isinstance(exit, Crashed) and isinstance(exit.exception, StartFailed):
            self.child = f"{child}/{exit.exception.child}"
            self.exit = exit.exception.exit
        super().__init__(f"{self.child} did not start: {self.exit}")


class SystemFailed(Exception):
    """The system's root supervisor gave up; ``exit`` holds the root cause."""

    def __init__(self, exit: Exit) -> None:
        super().__init__(f"the actor system failed: {exit}")
        self.exit = exit
