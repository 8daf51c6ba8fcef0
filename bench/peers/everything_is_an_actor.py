"""everything-is-an-actor: one system, one actor, an unbounded mailbox."""

from __future__ import annotations

from typing import Any

from _race import Contest, main
from actor_for_agents import Actor, ActorSystem

from _kernel_actors import Ask, Tell


class Sink(Actor[Any, Any]):
    def __init__(self) -> None:
        self.total = 0

    async def on_receive(self, message: Any) -> Any:  # noqa: ANN401
        if type(message) is Ask:
            return message.n
        self.total += message.n
        return None


async def peer(contest: Contest) -> None:
    system = ActorSystem()
    ref = await system.spawn(Sink, "sink", mailbox_size=0)

    async def tell(n: int) -> None:
        for i in range(n):
            await ref.tell(Tell(i))
        await ref.ask(Ask(0))

    async def call(n: int) -> None:
        for i in range(n):
            await ref.ask(Ask(i), timeout=5.0)

    await contest(tell, call)
    await system.shutdown()


if __name__ == "__main__":
    main(peer)
