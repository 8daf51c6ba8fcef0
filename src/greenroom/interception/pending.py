"""A call that waits for somebody to answer it, from whatever thread."""

from __future__ import annotations

import threading
from typing import Any, Self

from msgspec.structs import force_setattr

from greenroom.interception.completion import checked
from greenroom.interception.errors import ModelError
from greenroom.interception.wakeup import Wakeup
from greenroom.messages import Completion, ModelCall


# The answer is no field, so that encoding gives what the agent asked and nothing else. Waiting makes a cycle through
# the event loop, so the collector has to know of these, unlike plain calls.
class PendingCall(ModelCall, frozen=True, kw_only=True, eq=False, gc=True, dict=True):
    """A `ModelCall` that waits for its answer. It ends exactly once: answered, failed, or gone because its agent is.

    What takes a `ModelCall` takes this one as well. It is equal to itself alone. Encoded or pickled it is the plain
    call; a copy made by ``msgspec.structs.replace`` can be read, not answered.
    """

    @classmethod
    def of(cls, request: ModelCall) -> Self:
        """An agent's call, to be answered. Made on the event loop that waits for the answer."""
        call = cls(**_fields(request))
        force_setattr(call, "_answer", _Answer())
        return call

    def __repr__(self) -> str:
        answer: _Answer | None = self.__dict__.get("_answer")
        state = "a copy" if answer is None else "ended" if answer.given else "waiting"
        return f"<PendingCall {self.id!r}, {state}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.request.__reduce__()

    @property
    def request(self) -> ModelCall:
        """The same as plain data, without what can be done about it."""
        return ModelCall(**_fields(self))

    @property
    def ended(self) -> bool:
        """Whether it was answered, failed, or its agent is gone: nothing more can be done about it."""
        return self._awaited().given

    def reply(self, completion: Completion) -> bool:
        """Answer it, from any thread. False when it has ended before, and the completion is of no use to anybody.

        Raises:
            TypeError: ``completion`` is none, or something in it is of the wrong type; the text names the place.
            ValueError: Its tokens and log-probabilities do not belong together, or are no such numbers.
        """
        return self._awaited().give(checked(completion))

    def fail(self, message: str = "the model's owner gave no answer", *, retryable: bool = True) -> bool:
        """End it without an answer, from any thread. False when it has ended before.

        Args:
            message: For the outcome; the agent sees a generic text.
            retryable: Whether the agent is invited to try again.
        """
        return self._awaited().give(ModelError("failed", message, retryable=retryable))

    def overflow(self, message: str = "the context window is used up") -> bool:
        """End it because the conversation is too long, from any thread. False when it has ended before.

        The agent is ended politely, and the outcome is marked truncated.
        """
        return self._awaited().give(ModelError("context_length", message, retryable=False))

    def withdraw(self) -> bool:
        """The agent is gone. What the gate calls; of no use to others."""
        return self._awaited().give(None)

    async def outcome(self) -> Completion:
        """Wait for the answer. Raises `ModelError` when it fails."""
        return await self._awaited().wait()

    def _awaited(self) -> _Answer:
        answer: _Answer | None = self.__dict__.get("_answer")
        if answer is None:
            raise TypeError("this is a copy of a call, which nobody waits for; answer the one that the gate gave")
        return answer


class _Answer:
    """What is waited for: given once, from any thread."""

    def __init__(self) -> None:
        self.given = False
        self._lock = threading.Lock()
        self._result: Completion | ModelError | None = None
        self._wakeup = Wakeup()

    def give(self, result: Completion | ModelError | None) -> bool:
        """False if one was given before."""
        with self._lock:
            if self.given:
                return False
            self.given, self._result = True, result
        self._wakeup.set()
        return True

    async def wait(self) -> Completion:
        """Raises `ModelError` if that is what was given."""
        await self._wakeup.wait()
        if isinstance(self._result, Completion):
            return self._result
        raise self._result or ModelError("withdrawn", "the call was withdrawn")


def _fields(call: ModelCall) -> dict[str, Any]:
    return {name: getattr(call, name) for name in ModelCall.__struct_fields__}
