"""Google: reading a request to generate content.

What has a neutral word goes to it; everything else stays in ``ModelCall.extra`` under its own name in camel case:
fields of single contents and tools by position. The shapes are those of https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from typing import Any

from greenroom.interception.dialects import google_contents, translation, value
from greenroom.interception.dialects.google_names import renamed
from greenroom.interception.dialects.google_schema import json_schema
from greenroom.messages import ModelCall, Sampling, Tool

_Fields = dict[str, Any]

_MODES = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "required", "NONE": "none", "MODE_UNSPECIFIED": None}


def decode(body: bytes, model: str, *, stream: bool) -> ModelCall:
    """Read the body of a request; which model, and whether to stream, is said in its path. Raises `DialectError`."""
    return _call(renamed(value.parse(body)), model, stream=stream)


def counted(body: bytes) -> ModelCall:
    """Read the body of a request to count tokens: contents, or a whole request. Raises `DialectError`."""
    fields = renamed(value.parse(body))
    inner = value.optional_object(fields.get("generateContentRequest"), "generateContentRequest")
    return _call(renamed(inner) or fields, "", stream=False)


def _call(fields: _Fields, model: str, *, stream: bool) -> ModelCall:
    if fields.get("cachedContent"):
        value.fail("cachedContent", "null: nothing is cached, send all contents")
    messages, content_extra = google_contents.read(fields.pop("contents", None))
    if not messages:
        value.fail("contents", "at least one content")
    tools, tool_extra = value.each(value.one_or_more(fields.pop("tools", None)), "tools", _tools)
    call = ModelCall(
        id="",
        dialect="google",
        model=model,
        messages=(*google_contents.instruction(fields.pop("systemInstruction", None)), *messages),
        tools=tuple(tool for several in tools for tool in several),
        tool_choice=_tool_choice(fields.get("toolConfig")),
        sampling=_sampling(fields),
        stream=stream,
        extra=fields,
    )
    fields.update({name: left for name, left in (("contents", content_extra), ("tools", tool_extra)) if left})
    # All that was not read word by word, and may nest.
    value.check_depth([fields, *(tool.parameters for tool in call.tools)])
    translation.asked(call)
    return call


def wants_thoughts(call: ModelCall) -> bool:
    """Whether the agent asked to see the model's reasoning."""
    config = call.extra.get("generationConfig", {}).get("thinkingConfig", {})
    return config.get("includeThoughts") is True


def _tools(fields: _Fields) -> list[Tool]:
    declarations = renamed(fields).pop("functionDeclarations", None)
    found, left = value.each(value.one_or_more(declarations), "functionDeclarations", _declaration)
    if left:
        fields["functionDeclarations"] = left
    return found


def _declaration(fields: _Fields) -> Tool:
    renamed(fields)
    return Tool(
        name=value.as_text(fields.pop("name", None), "name"),
        description=value.optional_text(fields.pop("description", None), "description") or "",
        parameters=_parameters(fields.pop("parameters", None), fields.pop("parametersJsonSchema", None)),
    )


def _parameters(schema: object, ready: object) -> _Fields:
    if ready is not None:
        return value.as_object(ready, "parametersJsonSchema")
    fields = value.optional_object(schema, "parameters")
    value.check_depth(fields)
    return json_schema(fields)


def _tool_choice(config: object) -> str | None:
    """A mode, or the one function that is allowed. What else is said of functions stays in ``extra``."""
    where = "toolConfig.functionCallingConfig"
    outer = renamed(value.optional_object(config, "toolConfig"))
    calling = renamed(value.optional_object(outer.get("functionCallingConfig"), where))
    mode = value.optional_text(calling.get("mode"), f"{where}.mode") or "MODE_UNSPECIFIED"
    if mode.upper() not in _MODES:
        value.fail(f"{where}.mode", "one of " + ", ".join(_MODES))
    allowed = value.texts(calling.get("allowedFunctionNames"), f"{where}.allowedFunctionNames")
    if mode.upper() == "ANY" and len(allowed) == 1:
        return allowed[0]
    return _MODES[mode.upper()]


def _sampling(fields: _Fields) -> Sampling:
    config = renamed(value.optional_object(fields.pop("generationConfig", None), "generationConfig"))
    if config.pop("candidateCount", None) not in (None, 1):
        value.fail("generationConfig.candidateCount", "1")
    sampling = Sampling(
        max_tokens=value.optional_integer(config.pop("maxOutputTokens", None), "generationConfig.maxOutputTokens"),
        temperature=value.optional_number(config.pop("temperature", None), "generationConfig.temperature"),
        top_p=value.optional_number(config.pop("topP", None), "generationConfig.topP"),
        stop=value.texts(config.pop("stopSequences", None), "generationConfig.stopSequences"),
        seed=value.optional_integer(config.pop("seed", None), "generationConfig.seed"),
    )
    if thinking := value.optional_object(config.pop("thinkingConfig", None), "generationConfig.thinkingConfig"):
        config["thinkingConfig"] = renamed(thinking)
    if config:
        fields["generationConfig"] = config
    return sampling
