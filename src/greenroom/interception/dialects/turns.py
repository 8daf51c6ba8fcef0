"""The turns of a conversation, for dialects that cut it into messages in another way than models are trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from greenroom.messages import ChatMessage, Completion, ModelCall, Part, Text, Thinking, ToolResult, ToolUse


def joined(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """The same conversation, with each turn of the assistant in one message."""
    done: list[ChatMessage] = []
    for message in messages:
        if message.role == "assistant" and done and done[-1].role == "assistant":
            done[-1] = ChatMessage("assistant", (*done[-1].parts, *message.parts))
        else:
            done.append(message)
    return tuple(done)


def apart(parts: tuple[Part, ...]) -> Iterator[ChatMessage]:
    """A message of the user's, and one for each tool result in it, in their order."""
    said: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResult):
            if said:
                yield ChatMessage("user", tuple(said))
            yield ChatMessage("tool", (part,))
            said = []
        else:
            said.append(part)
    if said or not parts:
        yield ChatMessage("user", tuple(said))


def identified(completion: Completion, call: ModelCall) -> Iterator[Text | Thinking | ToolUse]:
    """The parts of an answer, each tool use with an id of its own, the same in every reply to the call.

    Agents match results by it.
    """
    uses = 0
    for part in completion.parts:
        if isinstance(part, ToolUse):
            yield replace(part, id=part.id or f"call_{call.index}_{uses}")
            uses += 1
        else:
            yield part
