"""Asks a model, and runs the host's tools until there is an answer that its agent can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import anyio
import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from greenroom.interception.backstage import Backstage, Scene, named, split
from greenroom.interception.completion import checked
from greenroom.interception.routes import Answer
from greenroom.messages import ChatMessage, Completion, ModelCall, Text, ToolResult, ToolUse
from greenroom.specs import HostTool

_log = structlog.get_logger(__name__)

_ROUNDS = 32
"""How often the host's tools are run for one call; then the model is asked once more, without them."""


class Pass(Struct, frozen=True):
    """One forward pass of the model."""

    call: ModelCall
    completion: Completion
    began: float
    """On the event loop's clock."""
    ended: float


class Host:
    """Answers the calls of one attempt.

    Args:
        model: Who is asked.
        tools: What its model may use beside the agent's own tools.
    """

    def __init__(self, model: Answer, tools: Sequence[HostTool] = ()) -> None:
        self._model = model
        self._tools = {tool.name: tool for tool in tools}
        self._backstage = Backstage(tools)

    async def __call__(self, call: ModelCall) -> tuple[Completion, list[Pass]]:
        """What the agent gets, and the passes it took. Raises what the model raises."""
        if not self._tools:
            first = await self._pass(call)
            return first.completion, [first]
        return await self._play(call)

    async def _play(self, asked: ModelCall) -> tuple[Completion, list[Pass]]:
        offered = self._backstage.offered(asked)
        call = self._backstage.restored(asked, offered)
        hidden: list[ChatMessage] = []
        passes: list[Pass] = []
        while True:
            passes.append(await self._pass(_again(call, hidden, len(passes))))
            answer = passes[-1].completion
            ours, rest = split(answer, offered)
            going_on = ours and answer.finish_reason in ("stop", "tool_calls") and len(passes) <= _ROUNDS
            results = await self._run(ours, call) if going_on else ()
            if not going_on or len(ours) < _uses(answer):
                self._keep(asked, tuple(hidden), answer if going_on else None, results)
                return rest, passes
            hidden += (ChatMessage("assistant", answer.parts), *results)
            if len(passes) == _ROUNDS:
                call = replace(call, tools=tuple(tool for tool in call.tools if tool.name not in offered))

    async def _pass(self, call: ModelCall) -> Pass:
        began = anyio.current_time()
        answer = checked(await self._model(call))
        return Pass(call, named(answer, call) if self._tools else answer, began, anyio.current_time())

    def _keep(
        self,
        asked: ModelCall,
        hidden: tuple[ChatMessage, ...],
        mixed: Completion | None,
        results: Sequence[ChatMessage],
    ) -> None:
        if hidden or mixed is not None:
            answer = () if mixed is None else mixed.parts
            self._backstage.remember(asked, Scene(hidden, answer, tuple(results)))

    async def _run(self, uses: Sequence[ToolUse], call: ModelCall) -> tuple[ChatMessage, ...]:
        """All of them at once; results in the order of the uses."""
        results: dict[int, ChatMessage] = {}

        async def one(at: int, use: ToolUse) -> None:
            results[at] = ChatMessage("tool", (await run(self._tools[use.name], use, call),))

        async with anyio.create_task_group() as tasks:
            for at, use in enumerate(uses):
                tasks.start_soon(one, at, use)
        return tuple(results[at] for at in range(len(uses)))


def allowed(tools: Sequence[HostTool], names: Sequence[str] | None) -> tuple[HostTool, ...]:
    """Those of ``tools`` that are named; all of them for ``None``."""
    return tuple(tool for tool in tools if names is None or tool.name in names)


async def run(tool: HostTool, use: ToolUse, call: ModelCall) -> ToolResult:
    """What the tool gives, or that it failed: the model is never told why, its owner's log is."""
    try:
        arguments = _arguments(use.arguments)
    except ValueError:
        return _failed(use, "The arguments are not a JSON object.")
    try:
        with anyio.fail_after(tool.seconds):
            text = await tool.run(arguments, call)
        return ToolResult(use.id, (Text(_text(text)),))
    except TimeoutError:
        return _failed(use, f"The tool took longer than {tool.seconds:g} s.")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a boundary: the user's tool
        # The text of a foreign exception may hold anything, keys included; its type does not.
        _log.warning("host_tool_failed", tool=tool.name, error=type(error).__name__, call=call.id)
        return _failed(use, "The tool failed.")


def _arguments(text: str) -> dict[str, Any]:
    value = msgspec.json.decode(text.strip() or "{}")
    if not isinstance(value, dict):
        raise ValueError(text)  # noqa: TRY004 - it is about what the model wrote
    return cast("dict[str, Any]", value)


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"a host tool returned {type(text).__name__}, not text")
    return text.encode(errors="replace").decode()


def _failed(use: ToolUse, text: str) -> ToolResult:
    return ToolResult(use.id, (Text(text),), is_error=True)


def _again(call: ModelCall, hidden: Sequence[ChatMessage], times: int) -> ModelCall:
    """The call of the next pass; those after the first have ids of their own."""
    if not times:
        return call
    return replace(call, id=f"{call.id}+{times}", messages=(*call.messages, *hidden))


def _uses(completion: Completion) -> int:
    return sum(isinstance(part, ToolUse) for part in completion.parts)
