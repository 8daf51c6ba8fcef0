"""The kernel's tasks, step by step: a step ends where its task waits for something, and there faults can strike."""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any


@types.coroutine
def paced(work: Coroutine[Any, Any, None], paused: Callable[[], bool]) -> Generator[Any, Any, None]:
    """Run ``work``, and call ``paused`` whenever it waits; once that says no, the work is given up."""
    resume: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            waits_for = resume()
        except StopIteration:
            return
        if not paused():
            _give_up(work)
            return
        try:
            resume = partial(work.send, (yield waits_for))
        except BaseException as error:  # noqa: BLE001 - whatever is thrown at the task is for its work to see
            resume = partial(work.throw, error)


def _give_up(work: Coroutine[Any, Any, None]) -> None:
    try:
        work.close()
    except RuntimeError:  # it went on waiting, which is all it has done for thousands of steps
        return


class Tasks:
    """Who stands between the kernel and its event loop, and sees every task begin, wait and end."""

    def __init__(self, backend: Any, paused: Callable[[str], bool]) -> None:  # noqa: ANN401
        self._spawn = backend.spawn
        self._paused = paused
        self.alive: dict[object, str] = {}
        """Names of the tasks under way."""
        backend.spawn = self.spawn

    def spawn(self, main: Callable[[], Coroutine[Any, Any, None]], name: str, ended: Callable[..., None]) -> object:
        """In place of the backend's."""
        task = object()
        self.alive[task] = name

        async def body() -> None:
            await paced(main(), lambda: self._paused(name))

        def over(*result: object) -> None:
            del self.alive[task]
            ended(*result)

        return self._spawn(body, name, over)
