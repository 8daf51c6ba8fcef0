"""Ways of models to fail that are functions of their owner: from a random call on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import anyio

from greenroom.interception import ModelError
from greenroom.messages import Completion, ModelCall, Text
from tests.world.blame.case import Case
from tests.world.blame.scene import Muse, Scene

Trouble = Callable[[], object]


def failing(trouble: Trouble) -> Callable[[Scene], Callable[[ModelCall], Awaitable[object]]]:
    """A model in trouble from the fateful call on, in each attempt in which that happens."""

    def make(scene: Scene) -> Callable[[ModelCall], Awaitable[object]]:
        muse = Muse(scene)

        async def answer(call: ModelCall) -> object:
            if call.attempt not in scene.doomed or call.index < scene.call:
                return await muse(call)
            await anyio.lowlevel.checkpoint()
            return trouble()

        return answer

    return make


def hanging(scene: Scene) -> Callable[[ModelCall], Awaitable[object]]:
    """A model that never answers again, from the fateful call on."""
    muse = Muse(scene)

    async def answer(call: ModelCall) -> object:
        if call.attempt in scene.doomed and call.index >= scene.call:
            await anyio.sleep_forever()
        return await muse(call)

    return answer


def raises(error: BaseException | type[BaseException]) -> Trouble:
    """It raises this."""

    def trouble() -> object:
        raise error

    return trouble


def gives(value: object) -> Trouble:
    """It answers this."""
    return lambda: value


TROUBLES: dict[str, tuple[Trouble, str]] = {
    "raises an error that may pass": (raises(ModelError("unavailable", "come back later")), "model_failed"),
    "raises an error that lasts": (raises(ModelError("unauthorized", "no", retryable=False)), "model_refused"),
    "raises an error of its own": (raises(ZeroDivisionError("boom")), "model_failed"),
    "raises a group of errors": (raises(ExceptionGroup("many", [ValueError("one"), OSError("two")])), "model_failed"),
    "raises SystemExit": (raises(SystemExit(1)), "model_failed"),
    "raises StopAsyncIteration": (raises(StopAsyncIteration), "model_failed"),
    "raises TimeoutError": (raises(TimeoutError), "model_failed"),
    "answers nothing": (gives(None), "model_failed"),
    "answers text": (gives("done"), "model_failed"),
    "answers parts of no kind": (gives(Completion(parts=cast("Any", ("done",)))), "model_failed"),
    "answers with a reason that is none": (
        gives(Completion(parts=(Text("x"),), finish_reason=cast("Any", "bored"))),
        "model_failed",
    ),
    "answers tokens that do not fit": (
        gives(Completion(parts=(Text("x"),), completion_token_ids=(1, 2), logprobs=(-1.0,))),
        "model_failed",
    ),
    "says that the conversation is too long": (
        raises(ModelError("context_length", "too long", retryable=False)),
        "turns_used_up",
    ),
}

CASES = (
    Case(
        name="is cancelled by itself",
        of="model",
        model=failing(raises(asyncio.CancelledError)),
        cause="actor_failed",
        on=("local", "docker"),
    ),
    *(
        Case(name=name, of="model", model=failing(trouble), cause=cause, often=("once", "always"))
        for name, (trouble, cause) in TROUBLES.items()
    ),
    Case(
        name="never answers, and the agent's time is up",
        of="model",
        model=hanging,
        task={"agent_timeout": 40.0, "model_wait": 60.0},
        cause="model_failed",
        on=("simulated",),
    ),
    Case(
        name="never answers, and the deadline is near",
        of="model",
        model=hanging,
        task={"deadline": 250.0, "verify_timeout": 20.0},
        cause="model_failed",
        often=("always",),
        attempts=1,
        on=("simulated",),
    ),
)
