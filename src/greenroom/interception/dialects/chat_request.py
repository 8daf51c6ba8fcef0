"""OpenAI chat completions: the request, both ways.

Reading: what has a neutral word goes to it; everything else stays in ``ModelCall.extra``: fields of the body under
their own names, fields of single messages and tools under ``messages`` and ``tools``, by position. Writing puts it
all back, so an upstream of this dialect misses nothing. Content that has more to it than text and images stays whole
in what is left of its message; fields of tool calls do by the call's id.

The shapes are those of the OpenAI API reference, plus ``reasoning_content`` (``reasoning``, ``reasoning_text``) on
assistant messages as vLLM, DeepSeek and OpenRouter use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from greenroom.interception.dialects import chat_content, value
from greenroom.messages import (
    ChatMessage,
    Image,
    ModelCall,
    Part,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
)

_Fields = dict[str, Any]

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")
_CHOICES = ("auto", "none", "required")


def decode(body: bytes) -> ModelCall:
    """Read the body of a chat completions request. Raises `DialectError`."""
    fields = value.parse(body)
    messages, message_extra = value.each(fields.pop("messages", None), "messages", _message)
    tools, tool_extra = value.each(fields.pop("tools", None), "tools", _tool)
    if not messages:
        value.fail("messages", "at least one message")
    if fields.get("n") not in (None, 1):
        value.fail("n", "1")
    call = ModelCall(
        id="",
        dialect="chat",
        model=value.as_text(fields.pop("model", None), "model"),
        messages=tuple(messages),
        tools=tuple(tool for tool in tools if tool is not None),
        tool_choice=_tool_choice(fields),
        sampling=_sampling(fields),
        stream=value.as_flag(fields.pop("stream", None), "stream"),
        extra=fields,
    )
    _check_stream_options(fields)
    fields.update({name: left for name, left in (("messages", message_extra), ("tools", tool_extra)) if left})
    # All that was not read word by word, and may nest.
    value.check_depth([fields, *(tool.parameters for tool in call.tools)])
    return call


def _message(fields: _Fields) -> ChatMessage:
    name = value.as_text(fields.pop("role", None), "role")
    role = _ROLES.get(name)
    if role is None:
        value.fail("role", "one of " + ", ".join(_ROLES))
    if name == "developer":
        fields["role"] = name
    content = chat_content.read(fields)
    if role == "tool":
        return ChatMessage(
            role, (ToolResult(value.as_text(fields.pop("tool_call_id", None), "tool_call_id"), content),)
        )
    if role == "assistant":
        return ChatMessage(role, (*_reasoning(fields), *content, *_tool_uses(fields)))
    return ChatMessage(role, content)


def _reasoning(fields: _Fields) -> tuple[Thinking, ...]:
    for name in _REASONING:
        # Some clients send several names for one text; the first that says something counts.
        text = fields.get(name)
        if isinstance(text, str) and text:
            del fields[name]
            return (Thinking(text),)
    return ()


def _tool_uses(fields: _Fields) -> list[ToolUse]:
    uses, left = value.each(fields.pop("tool_calls", None), "tool_calls", _tool_use)
    if left:
        fields["tool_calls"] = {uses[int(at)].id: more for at, more in left.items()}
    return uses


def _tool_use(call: _Fields) -> ToolUse:
    function = value.as_object(call.pop("function", None), "function")
    use = ToolUse(
        id=value.as_text(call.pop("id", None), "id"),
        name=value.as_text(function.pop("name", None), "function.name"),
        arguments=value.as_text(function.pop("arguments", None), "function.arguments"),
    )
    if call.get("type") in ("function", None):
        call.pop("type", None)
    if function:
        call["function"] = function
    return use


def _tool(fields: _Fields) -> Tool | None:
    """A function; ``None`` for the kinds of tool that have no neutral word, which stay whole in ``fields``."""
    if fields.get("type") not in ("function", None):
        return None
    fields.pop("type", None)
    function = value.as_object(fields.pop("function", None), "function")
    tool = Tool(
        name=value.as_text(function.pop("name", None), "function.name"),
        description=value.optional_text(function.pop("description", None), "function.description") or "",
        parameters=_parameters(function.pop("parameters", None)),
    )
    if function:
        fields["function"] = function
    return tool


def _parameters(schema: object) -> _Fields:
    return {} if schema is None else value.as_object(schema, "function.parameters")


def _tool_choice(fields: _Fields) -> str | None:
    choice = fields.pop("tool_choice", None)
    if choice is None or isinstance(choice, str):
        return choice
    chosen = value.as_object(choice, "tool_choice")
    if chosen.get("type") not in ("function", None):
        fields["tool_choice"] = choice
        return None
    function = value.as_object(chosen.get("function"), "tool_choice.function")
    return value.as_text(function.get("name"), "tool_choice.function.name")


def _sampling(fields: _Fields) -> Sampling:
    modern = value.optional_integer(fields.get("max_completion_tokens"), "max_completion_tokens")
    classic = value.optional_integer(fields.pop("max_tokens", None), "max_tokens")
    return Sampling(
        max_tokens=classic if modern is None else modern,
        temperature=value.optional_number(fields.pop("temperature", None), "temperature"),
        top_p=value.optional_number(fields.pop("top_p", None), "top_p"),
        stop=_stop(fields.pop("stop", None)),
        seed=value.optional_integer(fields.pop("seed", None), "seed"),
    )


def _stop(stop: object) -> tuple[str, ...]:
    if isinstance(stop, str):
        return (stop,)
    return tuple(value.as_text(item, f"stop[{at}]") for at, item in enumerate(value.as_list(stop, "stop")))


def _check_stream_options(fields: _Fields) -> None:
    options = fields.get("stream_options")
    if options is not None:
        include = value.as_object(options, "stream_options").get("include_usage")
        value.as_flag(include, "stream_options.include_usage")


def wants_usage(call: ModelCall) -> bool:
    """Whether a streamed reply ends with the token counts."""
    options = call.extra.get("stream_options")
    return isinstance(options, dict) and cast("_Fields", options).get("include_usage") is True


def encode(call: ModelCall, model: str) -> _Fields:
    """Write a call as the body of a chat completions request that is not streamed, for ``model``.

    Only a call of this dialect brings its ``extra`` along; the fields of another dialect would mean nothing here.
    """
    extra = dict(call.extra) if call.dialect == "chat" else {}
    left_messages, left_tools = extra.pop("messages", {}), extra.pop("tools", {})
    extra.pop("stream_options", None)
    fields = {"model": model, "messages": list(_messages(call.messages, left_messages)), **extra}
    if tools := _tools(call.tools, left_tools):
        fields["tools"] = tools
    if call.tool_choice is not None:
        fields["tool_choice"] = _encode_choice(call.tool_choice)
    fields.update(_encode_sampling(call.sampling, modern="max_completion_tokens" in extra))
    return fields


def _messages(messages: tuple[ChatMessage, ...], left: dict[str, _Fields]) -> Iterator[_Fields]:
    at = 0
    for message in messages:
        for fields in _encode_message(message):
            yield _restored(fields, left.get(str(at), {}))
            at += 1


def _restored(fields: _Fields, left: _Fields) -> _Fields:
    """A message with what was left of it; role and content are then as the agent wrote them."""
    written: _Fields = {name: left[name] for name in ("role", "content") if name in left}
    done = {**left, **fields, **written}
    if fields.get("tool_calls") and "tool_calls" in left:
        done["tool_calls"] = [with_more(use, left["tool_calls"]) for use in fields["tool_calls"]]
    return done


def with_more(use: _Fields, more: _Fields) -> _Fields:
    """A tool call with what ``more`` has for its id."""
    extra: _Fields = more.get(use["id"]) or {}
    return {**extra, **use, "function": {**extra.get("function", {}), **use["function"]}}


def _encode_message(message: ChatMessage) -> Iterator[_Fields]:
    """One message, or one for each tool result: other dialects put several into one."""
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {"role": "tool", "tool_call_id": part.id, "content": chat_content.written(part.parts)}
    parts = tuple(part for part in message.parts if not isinstance(part, ToolResult))
    if parts or not message.parts:
        yield _encode_plain(message.role, parts)


def _encode_plain(role: Role, parts: tuple[Part, ...]) -> _Fields:
    fields: _Fields = {"role": role}
    thinking = "".join(part.text for part in parts if isinstance(part, Thinking))
    content = tuple(part for part in parts if isinstance(part, Text | Image))
    uses = [encode_tool_use(part) for part in parts if isinstance(part, ToolUse)]
    fields["content"] = chat_content.written(content) if content or not uses else None
    if thinking:
        fields["reasoning_content"] = thinking
    if uses:
        fields["tool_calls"] = uses
    return fields


def encode_tool_use(use: ToolUse) -> _Fields:
    """A tool call as it stands in a message."""
    return {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}


def _tools(tools: tuple[Tool, ...], left: dict[str, _Fields]) -> list[_Fields]:
    done: list[_Fields] = []
    rest = iter(tools)
    for at in range(len(tools) + sum("type" in fields for fields in left.values())):
        fields = left.get(str(at), {})
        # Leftovers that still say what type they are were never functions: they go as they came.
        done.append(fields if "type" in fields else _encode_tool(next(rest), fields))
    return done


def _encode_tool(tool: Tool, left: _Fields) -> _Fields:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {**left, "type": "function", "function": {**left.get("function", {}), **function}}


def _encode_choice(choice: str) -> str | _Fields:
    return choice if choice in _CHOICES else {"type": "function", "function": {"name": choice}}


def _encode_sampling(sampling: Sampling, *, modern: bool) -> _Fields:
    fields = {
        "max_completion_tokens" if modern else "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop": list(sampling.stop) or None,
        "seed": sampling.seed,
    }
    return {name: item for name, item in fields.items() if item is not None}
