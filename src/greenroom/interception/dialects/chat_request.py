"""OpenAI chat completions: the request, both ways.

Reading: what has a neutral word goes to it; everything else stays in ``ModelCall.extra``: fields of the body under
their own names, fields of single messages and tools under ``messages`` and ``tools``, by position. Writing puts it
all back, so an upstream of this dialect misses nothing. Content that has more to it than text and images stays whole
in what is left of its message; fields of tool calls do by the call's id. Functions from before there were
tools are said as tools (`greenroom.interception.dialects.chat_functions`).

The shapes are those of the OpenAI API reference, plus ``reasoning_content`` (``reasoning``, ``reasoning_text``) on
assistant messages as vLLM, DeepSeek and OpenRouter use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from greenroom.interception.dialects import arguments, chat_content, chat_functions, free_text, translation, value
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
    "function": "tool",
}
_REASONING = ("reasoning_content", "reasoning", "reasoning_text")
_CHOICES = ("auto", "none", "required")
CHOICES = "n"
"""The field for the number of answers."""


def decode(body: bytes) -> ModelCall:
    """Read the body of a chat completions request. Raises `DialectError`."""
    fields = value.parse(body)
    messages, message_extra = value.each(fields.pop("messages", None), "messages", _Reader().message)
    tools, tool_extra = value.each(fields.pop("tools", None), "tools", _tool)
    if not messages:
        value.fail("messages", "at least one message")
    _check_choices(fields)
    call = ModelCall(
        id="",
        dialect="chat",
        model=value.as_text(fields.pop("model", None), "model"),
        messages=tuple(messages),
        tools=(*(tool for tool in tools if tool is not None), *chat_functions.tools(fields)),
        tool_choice=_tool_choice(fields) or chat_functions.choice(fields),
        sampling=_sampling(fields),
        stream=value.as_flag(fields.pop("stream", None), "stream"),
        extra=fields,
    )
    _check_stream_options(fields)
    fields.update({name: left for name, left in (("messages", message_extra), ("tools", tool_extra)) if left})
    # All that was not read word by word, and may nest.
    value.check_depth([fields, *(tool.parameters for tool in call.tools)])
    return call


def _check_choices(fields: _Fields) -> None:
    """One answer is given whatever the number, as many servers do: a turn is one answer."""
    choices = value.optional_integer(fields.get(CHOICES), CHOICES)
    if choices is not None and choices < 1:
        value.fail(CHOICES, "1 or more")
    if choices in (None, 1):
        fields.pop(CHOICES, None)


class _Reader:
    """Reads messages one after another, and remembers the call that a message of the role ``function`` answers."""

    def __init__(self) -> None:
        self._calls = chat_functions.Calls()

    def message(self, fields: _Fields) -> ChatMessage:
        name = value.as_text(fields.pop("role", None), "role")
        role = _ROLES.get(name)
        if role is None:
            value.fail("role", "one of " + ", ".join(_ROLES))
        if name == "developer":
            fields["role"] = name
        content = chat_content.read(fields)
        if name == "function":
            return ChatMessage(role, (ToolResult(self._calls.answered(fields), content),))
        if role == "tool":
            return ChatMessage(
                role, (ToolResult(value.as_text(fields.pop("tool_call_id", None), "tool_call_id"), content),)
            )
        if role == "assistant":
            uses = (*_tool_uses(fields), *self._calls.made(fields))
            return ChatMessage(role, (*_reasoning(fields), *content, *uses))
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
    if call.get("type") == "custom":
        return _custom_use(call)
    function = value.as_object(call.pop("function", None), "function")
    use = ToolUse(
        id=value.as_text(call.pop("id", None), "id"),
        name=value.as_text(function.pop("name", None), "function.name"),
        arguments=_arguments(function.pop("arguments", None)),
    )
    if call.get("type") in ("function", None):
        call.pop("type", None)
    if function:
        call["function"] = function
    return use


def _arguments(given: object) -> str:
    """The text; servers other than OpenAI's take an object as well."""
    if isinstance(given, dict):
        return arguments.written(cast("_Fields", given))
    return value.as_text(given, "function.arguments")


def _custom_use(call: _Fields) -> ToolUse:
    id = value.as_text(call.pop("id", None), "id")
    custom = value.as_object(call.pop("custom", None), "custom")
    name, text = (value.as_text(custom.get(field), f"custom.{field}") for field in ("name", "input"))
    return ToolUse(id, name, free_text.given(text))


def _tool(fields: _Fields) -> Tool | None:
    """A function; ``None`` for the kinds of tool that have no neutral word, which stay whole in ``fields``."""
    if fields.get("type") == "custom":
        return chat_functions.custom(fields)
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
    if chosen.get("type") == "custom":
        fields["tool_choice"] = choice
        custom = value.as_object(chosen.get("custom"), "tool_choice.custom")
        return value.as_text(custom.get("name"), "tool_choice.custom.name")
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
        stop=value.texts(fields.pop("stop", None), "stop"),
        seed=value.optional_integer(fields.pop("seed", None), "seed"),
    )


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

    What a call of this dialect has beyond our words goes along as it came; what one of another dialect asks for is
    translated, as far as there are words for it.
    """
    extra, left_messages, left_tools = _beyond(call)
    fields = {"model": model, "messages": list(_messages(call.messages, left_messages)), **extra}
    if tools := _tools(translation.offered(call), left_tools):
        fields["tools"] = tools
    if call.tool_choice is not None and "tool_choice" not in extra:
        fields["tool_choice"] = _encode_choice(call.tool_choice)
    fields.update(_encode_sampling(call.sampling, modern="max_completion_tokens" in extra))
    return fields


def _beyond(call: ModelCall) -> tuple[_Fields, dict[str, _Fields], dict[str, _Fields]]:
    """What there is beyond our words: in the body, in its messages and in its tools, by their positions."""
    if call.dialect != "chat":
        return translation.asked(call), {}, translation.strict(call)
    extra = {name: content for name, content in call.extra.items() if name not in chat_functions.OLD}
    extra.pop("stream_options", None)
    extra.pop(CHOICES, None)
    return extra, extra.pop("messages", {}), extra.pop("tools", {})


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
    if extra.get("type") == "custom":
        return chat_functions.as_custom(use)
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
    for at in range(len(tools) + sum(fields.get("type", "custom") != "custom" for fields in left.values())):
        fields = left.get(str(at), {})
        if fields.get("type", "custom") == "custom":
            tool = next(rest)
            done.append(fields if "type" in fields else _encode_tool(tool, fields))
        else:
            done.append(fields)
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
