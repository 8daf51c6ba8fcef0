"""xoscar: one pool without sub-processes, so that its messages stay in this process as ours do."""

from __future__ import annotations

import xoscar
from _race import Contest, main

from _kernel_actors import Ask, Tell


class Sink(xoscar.Actor):
    def __init__(self) -> None:
        self.total = 0

    def tell(self, message: Tell) -> None:
        self.total += message.n

    def ask(self, message: Ask) -> int:
        return message.n


async def peer(contest: Contest) -> None:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=0)
    async with pool:
        ref = await xoscar.create_actor(Sink, address=pool.external_address, uid="sink")

        async def tell(n: int) -> None:
            for i in range(n):
                await ref.tell.tell(Tell(i))
            await ref.ask(Ask(0))

        async def call(n: int) -> None:
            for i in range(n):
                await ref.ask(Ask(i))

        await contest(tell, call)


if __name__ == "__main__":
    main(peer)
