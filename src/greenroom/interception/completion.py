"""Completions greenroom itself makes or mends."""

from __future__ import annotations

from msgspec.structs import replace

from greenroom.messages import Completion, Text, Thinking, ToolUse


def terminal(text: str) -> Completion:
    """A last word after which agents stop by themselves."""
    return Completion(parts=(Text(text),), finish_reason="stop")


OUT_OF_CALLS = terminal("The limit of model calls for this task is reached. The session ends here.")
OUT_OF_CONTEXT = terminal("The context window of the model is used up. The session ends here.")


def checked(completion: object) -> Completion:
    """A model's answer, fit to be sent and stored.

    What UTF-8 cannot hold (halves of surrogate pairs: whoever samples token by token can cut text there) is replaced
    by question marks.

    Raises:
        TypeError: It is no `Completion`, or one with something else where its text should be.
    """
    if not isinstance(completion, Completion):
        raise TypeError(f"expected a Completion, got {type(completion).__name__}")
    parts = tuple(_part(part) for part in completion.parts)
    return completion if parts == completion.parts else replace(completion, parts=parts)


def _part(part: Text | Thinking | ToolUse) -> Text | Thinking | ToolUse:
    if isinstance(part, ToolUse):
        return ToolUse(_text(part.id), _text(part.name), _text(part.arguments))
    return replace(part, text=_text(part.text))


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"expected text in a completion, got {type(text).__name__}")
    return text.encode(errors="replace").decode()
