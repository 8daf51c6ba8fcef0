"""Pykka: one thread an actor, so that every message crosses threads."""

from __future__ import annotations

from typing import Any

import pykka
from _race import Contest, main

from _kernel_actors import Ask, Tell


class Sink(pykka.ThreadingActor):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def on_receive(self, message: Any) -> Any:  # noqa: ANN401
        if type(message) is Ask:
            return message.n
        self.total += message.n
        return None


async def peer(contest: Contest) -> None:
    ref = Sink.start()

    async def tell(n: int) -> None:
        for i in range(n):
            ref.tell(Tell(i))
        ref.ask(Ask(0))

    async def call(n: int) -> None:
        for i in range(n):
            ref.ask(Ask(i), timeout=5.0)

    await contest(tell, call)
    ref.stop()


if __name__ == "__main__":
    main(peer)
