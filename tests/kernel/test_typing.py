"""What the type checkers accept and refuse: `make check` reads this file, strictly, with both."""

from __future__ import annotations

from typing import assert_type

import pytest

from greenroom.kernel import Actor, Call, Ref, Reply, System, on
from tests.kernel.players import temporary

pytestmark = pytest.mark.anyio


class Animal:
    """What is asked for."""


class Dog(Animal):
    """What is given."""


class FetchDog(Call[Dog], frozen=True):
    """Is answered with a dog."""


class Kennel(Actor):
    """Has dogs."""

    @on(FetchDog)
    def fetch(self, _: FetchDog) -> Dog:
        return Dog()


class Wrong(Actor):
    """Both checkers refuse its handlers; the comments would be an error themselves if they did not."""

    @on(FetchDog)  # type: ignore[arg-type]
    def fetch(self, _: FetchDog) -> Animal:  # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
        return Animal()

    @on(FetchDog)  # type: ignore[arg-type]
    def nothing(self, _: FetchDog) -> None:  # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
        return None


async def meet(ref: Ref, question: Call[Animal]) -> Animal:
    """Ask for any animal."""
    return await ref.call(question)


async def test_a_call_for_a_dog_is_a_call_for_an_animal() -> None:
    """Where a call that is answered with some type is asked for, one that is answered with a subtype will do."""
    question: Call[Animal] = FetchDog()
    questions: list[Call[Animal | None]] = [question, FetchDog()]
    async with System() as system:
        kennel = await system.start(temporary(Kennel))
        assert_type(await kennel.call(FetchDog()), Dog)
        assert isinstance(await meet(kennel, FetchDog()), Dog)
        assert isinstance(await kennel.call(questions[0]), Dog)


def test_a_reply_is_as_particular_as_before() -> None:
    """Who owes a dog cannot send any animal."""

    def send(reply: Reply[Dog]) -> None:
        reply.send(Animal())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    assert callable(send)
