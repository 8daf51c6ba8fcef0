"""Anthropic Messages: reading a request.

What has a neutral word goes to it; everything else stays in ``ModelCall.extra``: fields of the body under their own
names, fields of single messages and tools under ``messages`` and ``tools``, and of the blocks in them under
``content``, by position. The shapes are those of https://platform.claude.com/docs/en/api/messages, and of the
requests of Claude Code 2.1.

Tool results become messages of the role ``tool``, one each, as in every other dialect: on the wire they share a
message of the user's with what the user says.
"""

from __future__ import annotations

from typing import Any

from greenroom.interception.dialects import anthropic_content, translation, value
from greenroom.interception.dialects.turns import apart
from greenroom.messages import ChatMessage, ModelCall, Role, Sampling, Text, Tool

_Fields = dict[str, Any]

_ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_BILLING = "x-anthropic-billing-header:"
"""How the block of the system prompt begins in which Claude Code says which build it is, and what else it likes."""


def decode(body: bytes) -> ModelCall:
    """Read the body of a request. Raises `DialectError`."""
    fields = value.parse(body)
    system, system_extra = _system(fields.pop("system", None))
    turns, message_extra = value.each(fields.pop("messages", None), "messages", _message)
    tools, tool_extra = value.each(fields.pop("tools", None), "tools", _tool)
    if not turns:
        value.fail("messages", "at least one message")
    call = ModelCall(
        id="",
        dialect="anthropic",
        model=value.as_text(fields.pop("model", None), "model"),
        messages=(*system, *(message for messages in turns for message in messages)),
        tools=tuple(tool for tool in tools if tool is not None),
        tool_choice=_tool_choice(fields),
        sampling=_sampling(fields),
        stream=value.as_flag(fields.pop("stream", None), "stream"),
        extra=fields,
    )
    left = {"system": system_extra, "messages": message_extra, "tools": tool_extra}
    fields.update({name: fields_left for name, fields_left in left.items() if fields_left})
    # All that was not read word by word, and may nest.
    value.check_depth([fields, *(tool.parameters for tool in call.tools)])
    translation.asked(call)
    return call


def _system(prompt: object) -> tuple[tuple[ChatMessage, ...], dict[str, _Fields]]:
    if not isinstance(prompt, str):
        texts, left = value.each(prompt, "system", _system_block)
    else:
        texts, left = [Text(prompt)], {}
    # The billing block is no part of the conversation, and changes while that stays the same.
    said = tuple(text for text in texts if text.text and not text.text.startswith(_BILLING))
    return ((ChatMessage("system", said),) if said else ()), left


def _system_block(fields: _Fields) -> Text:
    if fields.pop("type", None) != "text":
        value.fail("type", "text")
    return Text(value.as_text(fields.pop("text", None), "text"))


def _message(fields: _Fields) -> tuple[ChatMessage, ...]:
    role = _ROLES.get(value.as_text(fields.pop("role", None), "role"))
    if role is None:
        value.fail("role", "one of " + ", ".join(_ROLES))
    parts, left = anthropic_content.read(fields.pop("content", None), role)
    if left:
        fields["content"] = left
    return tuple(apart(parts)) if role == "user" else (ChatMessage(role, parts),)


def _tool(fields: _Fields) -> Tool | None:
    """A tool of the agent's; ``None`` for the provider's own, which stay whole in ``fields``."""
    if fields.get("type") not in ("custom", None):
        return None
    fields.pop("type", None)
    return Tool(
        name=value.as_text(fields.pop("name", None), "name"),
        description=value.optional_text(fields.pop("description", None), "description") or "",
        parameters=value.as_object(fields.pop("input_schema", None), "input_schema"),
    )


def _tool_choice(fields: _Fields) -> str | None:
    choice = fields.pop("tool_choice", None)
    if choice is None:
        return None
    rest = value.as_object(choice, "tool_choice")
    kind = value.as_text(rest.pop("type", None), "tool_choice.type")
    name = _CHOICES.get(kind)
    if kind == "tool":
        name = value.as_text(rest.pop("name", None), "tool_choice.name")
    if name is None:
        value.fail("tool_choice.type", "one of tool, " + ", ".join(_CHOICES))
    if rest:
        fields["tool_choice"] = rest
    return name


def _sampling(fields: _Fields) -> Sampling:
    stop = value.as_list(fields.pop("stop_sequences", None), "stop_sequences")
    return Sampling(
        max_tokens=value.optional_integer(fields.pop("max_tokens", None), "max_tokens"),
        temperature=value.optional_number(fields.pop("temperature", None), "temperature"),
        top_p=value.optional_number(fields.pop("top_p", None), "top_p"),
        stop=tuple(value.as_text(item, f"stop_sequences[{at}]") for at, item in enumerate(stop)),
    )
