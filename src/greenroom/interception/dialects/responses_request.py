"""OpenAI Responses: reading a request.

What has a neutral word goes to it; everything else stays in ``ModelCall.extra``: fields of the body under their own
names, fields of single items and tools under ``input`` and ``tools``, by position. The shapes are those of the OpenAI
API reference, and of the requests of codex 0.169.

What an attempt said before can be referred to (`greenroom.interception.dialects.responses_memory`). What only the
provider keeps is refused, with a word of what to do instead.
"""

from __future__ import annotations

from typing import Any, cast

from greenroom.interception.dialects import (
    responses_input,
    responses_memory,
    responses_tools,
    translation,
    turns,
    value,
)
from greenroom.interception.memory import Memory
from greenroom.messages import ChatMessage, ModelCall, Sampling, Text

_Fields = dict[str, Any]

_MODES = ("auto", "none", "required")


def decode(body: bytes, memory: Memory | None = None) -> ModelCall:
    """Read the body of a request that may refer to what is in ``memory``. Raises `DialectError`.

    Without a memory, what it refers to is left open.
    """
    fields = value.parse(body)
    if fields.get("prompt"):
        value.fail("prompt", "null: no prompts are stored, send instructions and input")
    reader = responses_input.Reader(memory)
    earlier = responses_memory.recalled(fields, memory)
    messages, item_extra = reader.read(fields.pop("input", None))
    given = responses_tools.together(fields.pop("tools", None), reader.tools)
    tools, tool_extra = responses_tools.read(given)
    messages = (*_instructions(fields.get("instructions")), *turns.joined((*earlier, *messages)))
    if not messages:
        value.fail("input", "at least one item")
    call = ModelCall(
        id="",
        dialect="responses",
        model=value.as_text(fields.pop("model", None), "model"),
        messages=messages,
        tools=tools,
        tool_choice=_tool_choice(fields),
        sampling=_sampling(fields),
        stream=value.as_flag(fields.pop("stream", None), "stream"),
        extra=fields,
    )
    fields.update({name: left for name, left in (("input", item_extra), ("tools", tool_extra)) if left})
    # All that was not read word by word, and may nest.
    value.check_depth([fields, *(tool.parameters for tool in tools)])
    translation.asked(call)
    return call


def _instructions(text: object) -> tuple[ChatMessage, ...]:
    return () if text is None else (ChatMessage("system", (Text(value.as_text(text, "instructions")),)),)


def _tool_choice(fields: _Fields) -> str | None:
    """A mode or the name of a tool. What a choice says beyond that stays in ``fields``."""
    choice = fields.get("tool_choice")
    if not isinstance(choice, dict):
        return value.optional_text(fields.pop("tool_choice", None), "tool_choice")
    choice = cast("_Fields", choice)
    if choice.get("type") == "allowed_tools":
        mode = value.as_text(choice.get("mode"), "tool_choice.mode")
        return mode if mode in _MODES else value.fail("tool_choice.mode", "one of " + ", ".join(_MODES))
    if choice.get("type") not in ("function", "custom"):
        return None
    del fields["tool_choice"]
    namespace = value.optional_text(choice.get("namespace"), "tool_choice.namespace")
    return responses_tools.qualified(namespace, value.as_text(choice.get("name"), "tool_choice.name"))


def _sampling(fields: _Fields) -> Sampling:
    return Sampling(
        max_tokens=value.optional_integer(fields.pop("max_output_tokens", None), "max_output_tokens"),
        temperature=value.optional_number(fields.pop("temperature", None), "temperature"),
        top_p=value.optional_number(fields.pop("top_p", None), "top_p"),
    )
