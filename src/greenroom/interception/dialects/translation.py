"""What agents of other dialects ask of an answer, in the fields of chat completions, or in those that vLLM adds.

What becomes of every field is in `greenroom.interception.dialects.fields`. Dialects run this once when they read a
request, so what cannot be translated is refused there, with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, cast

from greenroom.interception.dialects import responses_tools, value
from greenroom.interception.dialects.google_schema import json_schema
from greenroom.messages import ModelCall, Tool

_Fields = dict[str, Any]

_SAME = ("top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed", "stop", "logit_bias")
"""Fields that mean the same wherever they are found, whether or not the dialect's provider knows them."""
WISHES = frozenset({"top_k", "min_p", "repetition_penalty", "reasoning_effort", "verbosity", "parallel_tool_calls"})
"""Of what is asked for, what an answer can do without. Strict servers refuse requests with fields they do not know."""
_BUDGETS = ((0, "none"), (1024, "low"), (8192, "medium"))
"""The effort that stands for a budget of at most so many tokens, as Google's own chat completions have it:
https://ai.google.dev/gemini-api/docs/openai#thinking"""
_SCHEMA_NAME = "response"
"""Chat completions want a name for a schema; other dialects have none."""


def asked(call: ModelCall) -> _Fields:
    """The fields of chat completions that a call of another dialect asks for. Raises `DialectError`."""
    translate = _TRANSLATORS.get(call.dialect)
    found = translate(call.extra) if translate else {}
    if not call.tools and found.get("parallel_tool_calls") is True:
        # It says nothing there, and some servers refuse the word where there are no tools.
        del found["parallel_tool_calls"]
    return {name: content for name, content in found.items() if content is not None}


def offered(call: ModelCall) -> tuple[Tool, ...]:
    """The tools the model may use: all, unless the call names several that are allowed."""
    names = _allowed(call)
    return tuple(tool for tool in call.tools if tool.name in names) or call.tools


def strict(call: ModelCall) -> dict[str, _Fields]:
    """Whether arguments have to keep to their schema, for each tool that says so, as chat completions say it."""
    said = {tool.name: left["strict"] for tool, left in zip(call.tools, _left(call), strict=False) if "strict" in left}
    places = enumerate(offered(call))
    return {str(at): {"function": {"strict": said[tool.name]}} for at, tool in places if tool.name in said}


def _responses(extra: _Fields) -> _Fields:
    text = value.optional_object(extra.get("text"), "text")
    reasoning = value.optional_object(extra.get("reasoning"), "reasoning")
    return {
        **_same(extra),
        "response_format": _named_format(text.get("format")),
        "verbosity": value.optional_text(text.get("verbosity"), "text.verbosity"),
        "reasoning_effort": value.optional_text(reasoning.get("effort"), "reasoning.effort"),
        "parallel_tool_calls": extra.get("parallel_tool_calls"),
    }


def _named_format(form: object) -> _Fields | None:
    fields = value.optional_object(form, "text.format")
    kind = value.optional_text(fields.get("type"), "text.format.type")
    if kind == "json_schema":
        value.as_object(fields.get("schema"), "text.format.schema")
        return {"type": kind, "json_schema": {name: fields[name] for name in fields if name != "type"}}
    if kind in (None, "text"):
        return None
    return fields


def _anthropic(extra: _Fields) -> _Fields:
    config = value.optional_object(extra.get("output_config"), "output_config")
    choice = value.optional_object(extra.get("tool_choice"), "tool_choice")
    older = _schema_format(extra.get("output_format"), "output_format")
    effort = value.optional_text(config.get("effort"), "output_config.effort")
    alone = value.as_flag(choice.get("disable_parallel_tool_use"), "tool_choice.disable_parallel_tool_use")
    return {
        **_same(extra),
        "response_format": _schema_format(config.get("format"), "output_config.format") or older,
        "reasoning_effort": effort or _thinking_effort(extra.get("thinking")),
        "parallel_tool_calls": False if alone else None,
    }


def _schema_format(form: object, where: str) -> _Fields | None:
    fields = value.optional_object(form, where)
    kind = value.optional_text(fields.get("type"), f"{where}.type")
    if kind is None:
        return None
    if kind != "json_schema":
        value.fail(f"{where}.type", "json_schema")
    return _schema(value.as_object(fields.get("schema"), f"{where}.schema"))


def _schema(schema: _Fields) -> _Fields:
    return {"type": "json_schema", "json_schema": {"name": _SCHEMA_NAME, "schema": schema}}


def _thinking_effort(thinking: object) -> str | None:
    fields = value.optional_object(thinking, "thinking")
    if fields.get("type") == "disabled":
        return "none"
    budget = value.optional_integer(fields.get("budget_tokens"), "thinking.budget_tokens")
    return None if budget is None else _effort(budget)


def _effort(budget: int) -> str:
    return next((word for most, word in _BUDGETS if budget <= most), "high")


def _google(extra: _Fields) -> _Fields:
    config = value.optional_object(extra.get("generationConfig"), "generationConfig")
    thinking = value.optional_object(config.get("thinkingConfig"), "generationConfig.thinkingConfig")
    penalties = {
        "presence_penalty": _number(config, "presencePenalty"),
        "frequency_penalty": _number(config, "frequencyPenalty"),
    }
    return {
        "top_k": value.optional_integer(config.get("topK"), "generationConfig.topK"),
        **penalties,
        **_google_format(config),
        "reasoning_effort": _google_effort(thinking),
    }


def _number(config: _Fields, name: str) -> float | None:
    return value.optional_number(config.get(name), f"generationConfig.{name}")


def _google_effort(thinking: _Fields) -> str | None:
    where = "generationConfig.thinkingConfig"
    level = value.optional_text(thinking.get("thinkingLevel"), f"{where}.thinkingLevel")
    if level is not None:
        return None if level.upper() == "THINKING_LEVEL_UNSPECIFIED" else level.lower()
    budget = value.optional_integer(thinking.get("thinkingBudget"), f"{where}.thinkingBudget")
    # A negative one leaves it to the model.
    return None if budget is None or budget < 0 else _effort(budget)


def _google_format(config: _Fields) -> _Fields:
    kind = value.optional_text(config.get("responseMimeType"), "generationConfig.responseMimeType") or ""
    schema = _google_schema(config)
    if kind == "text/x.enum":
        choices = value.as_list((schema or {}).get("enum"), "generationConfig.responseSchema.enum")
        # Newer versions of vLLM know the first word alone, older ones the second.
        return {"structured_outputs": {"choice": choices}, "guided_choice": choices}
    if schema is not None:
        return {"response_format": _schema(schema)}
    return {"response_format": {"type": "json_object"} if kind == "application/json" else None}


def _google_schema(config: _Fields) -> _Fields | None:
    ready = config.get("responseJsonSchema")
    if ready is not None:
        return value.as_object(ready, "generationConfig.responseJsonSchema")
    schema = config.get("responseSchema")
    if schema is None:
        return None
    fields = value.as_object(schema, "generationConfig.responseSchema")
    value.check_depth(fields)
    return json_schema({**fields})


def _same(extra: _Fields) -> _Fields:
    return {name: extra[name] for name in _SAME if name in extra}


def _allowed(call: ModelCall) -> set[str]:
    if call.dialect == "google":
        outer = value.optional_object(call.extra.get("toolConfig"), "toolConfig")
        calling = value.optional_object(outer.get("functionCallingConfig"), "toolConfig.functionCallingConfig")
        names = value.texts(calling.get("allowedFunctionNames"), "allowedFunctionNames")
        return set(names) if call.tool_choice == "required" else set()
    choice = call.extra.get("tool_choice")
    if call.dialect != "responses" or not isinstance(choice, dict):
        return set()
    fields = cast("_Fields", choice)
    return set(responses_tools.names(fields.get("tools"))) if fields.get("type") == "allowed_tools" else set()


def _left(call: ModelCall) -> Iterator[_Fields]:
    """What is left of each tool, in the order of the call's tools."""
    left: dict[str, _Fields] = call.extra.get("tools", {}) if call.dialect in ("responses", "anthropic") else {}
    for at in count():
        fields = left.get(str(at), {})
        kind = fields.get("type")
        if kind in (None, "custom") or (kind == responses_tools.SEARCH and fields.get("execution") == "client"):
            yield fields
        elif kind == "namespace":
            yield from (
                member for member in fields["tools"] if member.get("type", "function") in ("function", "custom")
            )


_TRANSLATORS: dict[str, Callable[[_Fields], _Fields]] = {
    "responses": _responses,
    "anthropic": _anthropic,
    "google": _google,
}
