"""A call that waits for somebody to answer it, from whatever thread."""

from __future__ import annotations

import threading

from greenroom.interception.completion import checked
from greenroom.interception.errors import ModelError
from greenroom.interception.wakeup import Wakeup
from greenroom.messages import ChatMessage, Completion, ModelCall, Sampling, Tool


class PendingCall:
    """A call that waits for its answer. It ends exactly once: answered, failed, or gone because its agent is."""

    def __init__(self, request: ModelCall) -> None:
        self.request = request
        """The call as the agent made it."""
        self._lock = threading.Lock()
        self._ended = False
        self._result: Completion | ModelError | None = None
        self._wakeup = Wakeup()

    def __repr__(self) -> str:
        return f"<PendingCall {self.request.id!r}, {'ended' if self._ended else 'waiting'}>"

    @property
    def rollout_id(self) -> str:
        """Whose call it is."""
        return self.request.rollout_id

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation so far."""
        return self.request.messages

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools the agent offers."""
        return self.request.tools

    @property
    def sampling(self) -> Sampling:
        """How the agent wants it sampled."""
        return self.request.sampling

    @property
    def ended(self) -> bool:
        """Whether it was answered, failed, or its agent is gone: nothing more can be done about it."""
        return self._ended

    def reply(self, completion: Completion) -> bool:
        """Answer it, from any thread. False when it has ended before, and the completion is of no use to anybody.

        Raises:
            TypeError: ``completion`` is none, or something in it is of the wrong type; the text names the place.
            ValueError: Its tokens and log-probabilities do not belong together, or are no such numbers.
        """
        return self._end(checked(completion))

    def fail(self, message: str = "the model's owner gave no answer", *, retryable: bool = True) -> bool:
        """End it without an answer, from any thread. False when it has ended before.

        Args:
            message: For the outcome; the agent sees a generic text.
            retryable: Whether the agent is invited to try again.
        """
        return self._end(ModelError("failed", message, retryable=retryable))

    def overflow(self, message: str = "the context window is used up") -> bool:
        """End it because the conversation is too long, from any thread. False when it has ended before.

        The agent is ended politely, and the outcome is marked truncated.
        """
        return self._end(ModelError("context_length", message, retryable=False))

    def withdraw(self) -> bool:
        """The agent is gone. What the gate calls; of no use to others."""
        return self._end(None)

    async def outcome(self) -> Completion:
        """Wait for the answer. Raises `ModelError` when it fails."""
        await self._wakeup.wait()
        if isinstance(self._result, Completion):
            return self._result
        raise self._result or ModelError("withdrawn", "the call was withdrawn")

    def _end(self, result: Completion | ModelError | None) -> bool:
        with self._lock:
            if self._ended:
                return False
            self._ended, self._result = True, result
        self._wakeup.set()
        return True
