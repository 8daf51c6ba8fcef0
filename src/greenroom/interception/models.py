"""From what the user writes to what answers calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from greenroom.interception.completion import checked, terminal
from greenroom.messages import Completion, ModelCall
from greenroom.specs import BlackBox, Gate, Model, ModelSpec, Scripted, Upstream


class OpenModel(Protocol):
    """A model that is ready to answer."""

    async def __call__(self, call: ModelCall) -> Completion:
        """Answer. Raises `ModelError` when that fails for good; cancelled when nobody wants the answer any more."""
        ...

    async def close(self) -> None:
        """Give up what it holds. Idempotent."""
        ...


class CallableModel:
    """Any async callable as a model."""

    def __init__(self, answer: Callable[..., Awaitable[object]]) -> None:
        self._answer = answer

    async def __call__(self, call: ModelCall) -> Completion:
        """What the callable says. Raises what it raises, and what `checked` raises of its answer."""
        return checked(await self._answer(call))

    async def close(self) -> None:
        """Nothing to do: the callable is its owner's."""


class FunctionModel:
    """A plain function as a model."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    async def __call__(self, call: ModelCall) -> Completion:
        """What the function says. Raises what it raises, and what `checked` raises of an answer that is no text."""
        answer = self._function(call)
        return checked(terminal(answer) if isinstance(answer, str) else answer)

    async def close(self) -> None:
        """Nothing to do."""


def _scripted(script: object) -> OpenModel:
    if callable(script):
        return FunctionModel(script)
    if not isinstance(script, str):
        raise TypeError(f"Scripted.script: expected a path or a function, got {type(script).__name__}")
    if script.endswith(".jsonl"):
        from greenroom.interception.recording import RecordedModel

        return RecordedModel.read(script)
    from greenroom.interception.scripted import ScriptedModel

    return ScriptedModel.read(script)


def model_for(model: Model) -> OpenModel:
    """Open what ``Engine(model=...)`` takes. Libraries are imported only when the model needs them.

    Raises:
        ScriptError: A script file cannot be used.
        TypeError: It is not a model.
        ValueError: A setting cannot be used.
    """
    if isinstance(model, Upstream):
        from greenroom.interception.upstream import UpstreamModel

        return UpstreamModel(model)
    if isinstance(model, BlackBox):
        from greenroom.interception.provider import BlackBoxModel

        return BlackBoxModel(model)
    if isinstance(model, Gate):
        from greenroom.interception.gate import GateModel

        return GateModel()
    if isinstance(model, Scripted):
        return _scripted(model.script)
    if callable(model) and not isinstance(model, ModelSpec):
        return CallableModel(model)
    raise TypeError(
        f"model: expected Upstream, Gate, Scripted, BlackBox or an async callable, got {type(model).__name__}"
    )
