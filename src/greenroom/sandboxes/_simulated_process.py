"""Programs of a simulated sandbox. They have no task of their own: whoever waits for one runs it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import anyio
import msgspec
from msgspec import Struct

from greenroom.sandboxes._simulated_fate import Fate
from greenroom.sandboxes.base import Exec, SandboxError
from greenroom.specs import Simulated

Connect = Callable[[str, str, bytes], Awaitable[tuple[int, bytes]]]
"""Sends a chat completions request: base URL, API key, body; gives HTTP status and body. Raises `OSError`."""

CRASHED = 139
"""What a shell reports for a program that ended by SIGSEGV."""
GAVE_UP = 124
"""What ``timeout`` reports for a program whose time was up."""


_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Lifespan:
    """How long a sandbox has to live. Nothing bounded by it can outlast it."""

    def __init__(self) -> None:
        self._end = math.inf
        self._why = ("sandbox_closed", "the sandbox was closed")
        self._scopes: set[anyio.CancelScope] = set()

    def end(self, at: float, kind: str, message: str) -> None:
        """Set the end, unless an earlier one is set already."""
        if at >= self._end:
            return
        self._end, self._why = at, (kind, message)
        for scope in self._scopes:
            scope.deadline = at

    def check(self) -> None:
        """Raise `SandboxError` when the end has come."""
        if anyio.current_time() >= self._end:
            raise SandboxError(*self._why)

    @contextmanager
    def bound(self) -> Generator[None]:
        """Run a block until it ends or the life ends; then `SandboxError` is raised."""
        self.check()
        with anyio.CancelScope(deadline=self._end) as scope:
            self._scopes.add(scope)
            try:
                yield
            finally:
                self._scopes.discard(scope)
        if scope.cancelled_caught:
            raise SandboxError(*self._why)


class SimulatedProcess:
    """A program that runs while somebody waits for it.

    ``program`` must be resumable: when whoever drives it is cancelled, the next one calls it again.
    """

    def __init__(self, life: Lifespan, program: Callable[[list[bytes]], Awaitable[int]]) -> None:
        self._life = life
        self._program = program
        self._lock = anyio.Lock()
        self._scope: anyio.CancelScope | None = None
        self._log: list[bytes] = []
        self.exit_code: int | None = None

    async def output(self) -> AsyncIterator[bytes]:
        """All output, once the program has ended."""
        try:
            await self._drive()
        except SandboxError as error:
            self._log.append(f"{error}\n".encode())
        for chunk in self._log:
            yield chunk

    async def wait(self) -> int:
        """Exit code. Raises `SandboxError` if the sandbox dies first."""
        return await self._drive()

    async def kill(self) -> None:
        """End it; returns when its last model call is over too. Idempotent."""
        self.end()
        async with self._lock:
            pass

    def end(self) -> None:
        """End it without waiting."""
        if self.exit_code is None:
            self.exit_code = -9
        if self._scope is not None:
            self._scope.cancel()

    async def _drive(self) -> int:
        async with self._lock:
            if self.exit_code is None:
                with self._life.bound(), anyio.CancelScope() as self._scope:
                    self._end_with(await self._program(self._log))
        return -9 if self.exit_code is None else self.exit_code

    def _end_with(self, exit_code: int) -> None:
        if self.exit_code is None:
            self.exit_code = exit_code


class Command:
    """Any program but the agent: takes a moment and succeeds, unless its shell text says otherwise.

    Of the shell, ``true``, ``false``, ``exit N``, ``sleep N`` and ``echo TEXT > PATH`` are understood.
    """

    def __init__(
        self, program: Exec, env: Mapping[str, str], write: Callable[[str, str], None], seconds: float
    ) -> None:
        self._env = env
        self._write = write
        self._words = _words(program.argv)
        self._due = anyio.current_time() + seconds
        match self._words:
            case ["sleep", number] if _NUMBER.fullmatch(number):
                self._due = anyio.current_time() + float(number)
            case _:
                pass

    async def __call__(self, log: list[bytes]) -> int:
        """Run to the end."""
        await anyio.sleep_until(self._due)
        match self._words:
            case ["false", *_]:
                return 1
            case ["exit", code] if code.isdecimal():
                return int(code) % 256
            case ["echo", text, ">", path]:
                self._write(self._env.get(path.removeprefix("$"), path), f"{text}\n")
            case ["echo", *words]:
                log.append(f"{' '.join(words)}\n".encode())
            case _:
                pass
        return 0


def _words(argv: tuple[str, ...]) -> list[str]:
    if argv[-2:-1] != ("-c",):
        return list(argv)
    try:
        return shlex.split(argv[-1])
    except ValueError:  # quotes that only a real shell could judge
        return []


class _Message(Struct, frozen=True):
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Choice(Struct, frozen=True):
    message: _Message


class _Reply(Struct, frozen=True):
    choices: list[_Choice]


_REPLY = msgspec.json.Decoder(_Reply)
_BASH = {
    "type": "function",
    "function": {
        "name": "bash",
        "description": "Run a shell command.",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
    },
}


class SimulatedAgent:
    """An agent that makes a number of model calls, some time apart, and believes whatever it is told."""

    def __init__(self, spec: Simulated, fate: Fate, connect: Connect, env: Mapping[str, str], instruction: str) -> None:
        self._spec = spec
        self._fate = fate
        self._connect = connect
        self._env = env
        self._messages: list[dict[str, Any]] = [{"role": "user", "content": instruction}]
        self._turn = 0
        self._due = anyio.current_time() + spec.turn
        self._awake: float | None = None
        """When it stops hanging."""

    async def __call__(self, log: list[bytes]) -> int:
        """Run to the end, or go on where an earlier call was cancelled."""
        while self._turn < self._spec.turns:
            if self._turn >= self._fate.last_turn:
                break
            await anyio.sleep_until(self._due)
            if not await self._call(log):
                return 1
            self._turn += 1
            self._due = anyio.current_time() + self._spec.turn
        return await self._finish(log)

    async def _finish(self, log: list[bytes]) -> int:
        match self._fate.misfortune:
            case "agent_crashed":
                log.append(b"segmentation fault\n")
                return CRASHED
            case "agent_hung":
                await self._hang()
                log.append(b"gave up\n")
                return GAVE_UP
            case _:
                pass
        return 0

    async def _hang(self) -> None:
        if self._spec.hang is None:
            await anyio.sleep_forever()
        else:
            # Its last moment is known from the first on: whoever goes on with it later does not start it anew.
            self._awake = anyio.current_time() + self._spec.hang if self._awake is None else self._awake
            await anyio.sleep_until(self._awake)

    async def _call(self, log: list[bytes]) -> bool:
        try:
            status, body = await self._connect(self._get("BASE_URL"), self._get("API_KEY"), self._request())
            log.append(f"turn {self._turn}: {status}\n".encode())
            if status != 200:  # noqa: PLR2004 - HTTP's OK
                return False
            self._remember(_REPLY.decode(body).choices[0].message)
        except (OSError, IndexError, msgspec.DecodeError) as error:
            log.append(f"turn {self._turn}: {type(error).__name__}\n".encode())
            return False
        return True

    def _get(self, name: str) -> str:
        return self._env.get(f"OPENAI_{name}", "")

    def _request(self) -> bytes:
        return msgspec.json.encode({"model": self._get("MODEL"), "messages": self._messages, "tools": [_BASH]})

    def _remember(self, message: _Message) -> None:
        answer: dict[str, Any] = {"role": "assistant", "content": message.content}
        if not message.tool_calls:
            self._messages += [answer, {"role": "user", "content": "Go on."}]
            return
        self._messages.append({**answer, "tool_calls": message.tool_calls})
        self._messages += [
            {"role": "tool", "tool_call_id": call.get("id", ""), "content": "ok"} for call in message.tool_calls
        ]
