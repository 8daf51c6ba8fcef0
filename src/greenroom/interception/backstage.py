"""What goes on behind an agent's back: tools that it did not offer, used and answered without it. Pure.

The agent sees none of it, so its next request lacks it, and a model that is asked again without what it was told would
be another conversation. It is put back into every later request that goes on from where it happened. Where that is, is
told by a digest of all that came before: an agent that rewrites its history has begun another conversation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from greenroom.messages import ChatMessage, Completion, ModelCall, Part, Tool, ToolUse
from greenroom.specs import HostTool

_REMEMBERED = 256
"""Most places of one attempt that are remembered; the oldest is given up first."""


class Scene(Struct, frozen=True):
    """What happened between a request and the answer its agent got."""

    before: tuple[ChatMessage, ...] = ()
    """Whole exchanges that came before the answer."""
    answer: tuple[Part, ...] = ()
    """The answer as the model gave it, if it used tools of both kinds at once."""
    results: tuple[ChatMessage, ...] = ()
    """What the host's tools of that answer gave."""


class Backstage:
    """The scenes of one attempt.

    Args:
        tools: Those that the model may use.
    """

    def __init__(self, tools: Sequence[HostTool]) -> None:
        self._tools = {tool.name: Tool(tool.name, tool.description, tool.parameters) for tool in tools}
        self._scenes: dict[bytes, Scene] = {}
        self._positions: set[int] = set()

    def __len__(self) -> int:
        """Places that are remembered."""
        return len(self._scenes)

    def offered(self, call: ModelCall) -> frozenset[str]:
        """Names of the tools to put into ``call``: those it has not, unless it wants no tools used at all."""
        if call.tool_choice == "none":
            return frozenset()
        return frozenset(self._tools) - {tool.name for tool in call.tools}

    def restored(self, call: ModelCall, offered: frozenset[str]) -> ModelCall:
        """The call with what happened behind the agent's back, and with these tools."""
        if self._scenes:
            call = self._with_scenes(call)
        added = tuple(tool for name, tool in self._tools.items() if name in offered)
        return replace(call, tools=(*call.tools, *added)) if added else call

    def remember(self, call: ModelCall, scene: Scene) -> None:
        """``scene`` happened after ``call``, as the agent made it."""
        place = next(iter(_places(call.messages, {len(call.messages)}).values()))
        self._scenes.pop(place, None)
        self._scenes[place] = scene
        self._positions.add(len(call.messages))
        while len(self._scenes) > _REMEMBERED:
            del self._scenes[next(iter(self._scenes))]

    def _with_scenes(self, call: ModelCall) -> ModelCall:
        places = _places(call.messages, self._positions)
        scenes = {at: self._scenes[place] for at, place in places.items() if place in self._scenes}
        if not scenes:
            return call
        messages: list[ChatMessage] = []
        moved: dict[int, int] = {}
        for at, message in enumerate(call.messages):
            scene = scenes.get(at, Scene())
            messages += scene.before
            moved[at] = len(messages)
            messages.append(_rejoined(message, scene.answer))
            messages += scene.results if messages[-1] is not message else ()
        if (last := scenes.get(len(call.messages))) is not None:
            messages += last.before
        return replace(call, messages=tuple(messages), extra=_moved(call, moved))


def split(completion: Completion, offered: frozenset[str]) -> tuple[list[ToolUse], Completion]:
    """What is for the host, and what is left of the answer for the agent."""
    ours = [part for part in completion.parts if isinstance(part, ToolUse) and part.name in offered]
    if not ours:
        return [], completion
    rest = tuple(part for part in completion.parts if not (isinstance(part, ToolUse) and part.name in offered))
    uses_left = any(isinstance(part, ToolUse) for part in rest)
    finish = "stop" if completion.finish_reason == "tool_calls" and not uses_left else completion.finish_reason
    return ours, replace(completion, parts=rest, finish_reason=finish)


def named(completion: Completion, call: ModelCall) -> Completion:
    """The answer with an id for each use of a tool: results are matched by it."""
    parts = tuple(
        replace(part, id=f"call_{call.id}_{at}") if isinstance(part, ToolUse) and not part.id else part
        for at, part in enumerate(completion.parts)
    )
    return completion if parts == completion.parts else replace(completion, parts=parts)


def _rejoined(message: ChatMessage, answer: tuple[Part, ...]) -> ChatMessage:
    """An answer as the agent sends it back, with the uses it never saw where they were."""
    if not answer or message.role != "assistant":
        return message
    known = {part.id: part for part in message.parts if isinstance(part, ToolUse)}
    rest = tuple(part for part in message.parts if not isinstance(part, ToolUse))
    uses = tuple(known.pop(part.id, part) for part in answer if isinstance(part, ToolUse))
    return ChatMessage("assistant", (*rest, *uses, *known.values()))


def _moved(call: ModelCall, moved: dict[int, int]) -> dict[str, Any]:
    """What is left over of single messages, at the places where these now are. Only of this dialect is it used."""
    left = cast("dict[str, Any] | None", call.extra.get("messages"))
    if call.dialect != "chat" or not left:
        return call.extra
    return {**call.extra, "messages": {str(moved[int(at)]): fields for at, fields in left.items()}}


def _places(messages: Sequence[ChatMessage], positions: set[int]) -> dict[int, bytes]:
    """Digests of all that comes before each of these positions, of those that there are."""
    digest = hashlib.blake2b(digest_size=16)
    found: dict[int, bytes] = {}
    for at, text in enumerate(_texts(messages, max(positions))):
        if at in positions:
            found[at] = digest.copy().digest()
        digest.update(text)
    return found


def _texts(messages: Sequence[ChatMessage], end: int) -> Iterator[bytes]:
    for message in messages[:end]:
        yield msgspec.json.encode(message) + b"\n"
    yield b""
