"""A small request for every row of the table of fields, by dialect and field, and what is to be seen of it."""

from __future__ import annotations

import base64
from typing import Any

from msgspec import Struct

from tests.interception.talk import Fields

SCHEMA: Fields = {"type": "object", "properties": {"a": {"type": "string"}}}
FORMAT: Fields = {"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}}
WORDS = "plain words"
ENCODED = base64.b64encode(WORDS.encode()).decode()
_SAME = object()


class Example(Struct, frozen=True):
    """What is put into the simplest request, over what, and what shows then."""

    put: Fields
    """Fields of the body, instead of those of the simplest request."""
    shows: Any = _SAME
    """Of a field that goes along: fields of the body that is sent. Of a note: a text that the model reads."""
    over: Fields = {}
    """Fields of the body with which the request is compared."""


def _same(name: str, value: object) -> Example:
    return Example({name: value}, {name: value})


def _plain(**put: object) -> Example:
    return Example(put)


def _user(part: Fields, shows: str = "") -> Example:
    return Example({"messages": [{"role": "user", "content": [part]}]}, shows)


CHAT_TOOL: Fields = {"type": "function", "function": {"name": "t", "parameters": SCHEMA}}
CALL: Fields = {"id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}
ASKS: Fields = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CUSTOM: Fields = {"id": "a", "type": "custom", "custom": {"name": "t", "input": "x"}}
FILE: Fields = {"type": "file", "file": {"filename": "a.txt", "file_data": f"data:text/plain;base64,{ENCODED}"}}
ALLOWED: Fields = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}

CHAT: dict[str, Example] = {
    "model": _plain(model="other"),
    "messages": _plain(messages=[{"role": "user", "content": "ho"}]),
    "messages[].role": _plain(messages=[{"role": "developer", "content": "hi"}]),
    "messages[].content": _plain(messages=[{"role": "user", "content": None}]),
    "messages[].content[type=text]": _user({"type": "text", "text": "ho"}),
    "messages[].content[type=refusal]": _plain(
        messages=[{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]
    ),
    "messages[].content[type=image_url]": _user({"type": "image_url", "image_url": {"url": "data:,x"}}),
    "messages[].content[type=file]": _user(FILE, WORDS),
    "messages[].content[type=input_audio]": _user({"type": "input_audio", "input_audio": {}}, "[input_audio]"),
    "messages[].content[type=video_url]": _user({"type": "video_url", "video_url": {"url": "u"}}, "[video_url]"),
    "messages[].content[type=thinking]": _user(
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, "[thinking]\nhm"
    ),
    "messages[].content[type=other]": _user({"type": "smell"}, "[smell]"),
    "messages[].name": Example(
        {"messages": [{"role": "user", "content": "hi", "name": "bob"}]},
        {"messages": [{"role": "user", "content": "hi", "name": "bob"}]},
    ),
    "messages[].refusal": Example(
        {"messages": [{"role": "assistant", "content": "hi", "refusal": "no"}]},
        {"messages": [{"role": "assistant", "content": "hi", "refusal": "no"}]},
    ),
    "messages[].reasoning_content": _plain(messages=[{"role": "assistant", "content": "", "reasoning_content": "hm"}]),
    "messages[].tool_calls": _plain(messages=[ASKS]),
    "messages[].tool_calls[type=custom]": _plain(messages=[{**ASKS, "tool_calls": [CUSTOM]}]),
    "messages[].tool_call_id": _plain(messages=[ASKS, {"role": "tool", "tool_call_id": "a", "content": "out"}]),
    "messages[].function_call": _plain(
        messages=[{"role": "assistant", "content": None, "function_call": {"name": "t", "arguments": "{}"}}]
    ),
    "tools[].function": _plain(tools=[CHAT_TOOL]),
    "tools[].function.strict": Example(
        {"tools": [{"type": "function", "function": {"name": "t", "strict": True}}]},
        {
            "tools": [
                {"type": "function", "function": {"name": "t", "strict": True, "description": "", "parameters": {}}}
            ]
        },
    ),
    "tools[type=custom]": _plain(tools=[{"type": "custom", "custom": {"name": "t"}}]),
    "tools[type=other]": _same("tools", [{"type": "search"}]),
    "tool_choice": _plain(tool_choice="required"),
    "tool_choice[type=allowed_tools]": _same("tool_choice", ALLOWED),
    "functions": _plain(functions=[{"name": "t", "parameters": SCHEMA}]),
    "function_call": _plain(function_call={"name": "t"}),
    "max_tokens": _plain(max_tokens=100.0),
    "max_completion_tokens": _plain(max_completion_tokens=7),
    "temperature": _plain(temperature=0.5),
    "top_p": _plain(top_p=0.5),
    "stop": _plain(stop="END"),
    "seed": _plain(seed=3.0),
    "stream": _plain(stream=True),
    "stream_options": _plain(stream_options={"include_usage": True}),
    "n": _plain(n=2),
    "response_format": _same("response_format", FORMAT),
    "reasoning_effort": _same("reasoning_effort", "high"),
    "verbosity": _same("verbosity", "low"),
    "parallel_tool_calls": _same("parallel_tool_calls", False),  # noqa: FBT003 - a value
    "frequency_penalty": _same("frequency_penalty", 0.5),
    "presence_penalty": _same("presence_penalty", 0.5),
    "logit_bias": _same("logit_bias", {"1": 2}),
    "top_k": _same("top_k", 4),
    "min_p": _same("min_p", 0.1),
    "repetition_penalty": _same("repetition_penalty", 1.1),
    "chat_template_kwargs": _same("chat_template_kwargs", {"enable_thinking": False}),
    "structured_outputs": _same("structured_outputs", {"choice": ["a"]}),
    "guided_json": _same("guided_json", SCHEMA),
    "modalities": _same("modalities", ["text"]),
    "audio": _same("audio", {"voice": "v"}),
    "prediction": _same("prediction", {"type": "content", "content": "x"}),
    "web_search_options": _same("web_search_options", {}),
    "moderation": _same("moderation", {"model": "m"}),
    "metadata": _same("metadata", {"a": "b"}),
    "user": _same("user", "u"),
    "safety_identifier": _same("safety_identifier", "s"),
    "service_tier": _same("service_tier", "flex"),
    "store": _same("store", True),  # noqa: FBT003 - a value
    "prompt_cache_key": _same("prompt_cache_key", "k"),
    "prompt_cache_retention": _same("prompt_cache_retention", "24h"),
    "prompt_cache_options": _same("prompt_cache_options", {"mode": "explicit"}),
    "logprobs": _same("logprobs", True),  # noqa: FBT003 - a value
    "top_logprobs": _same("top_logprobs", 2),
    "any other field": _same("vendor", {"a": 1}),
}


def _item(shows: str = "", /, **item: object) -> Example:
    return Example({"input": [{"role": "user", "content": "hi"}, item]}, shows)


def _content(part: Fields, shows: str = "") -> Example:
    return Example({"input": [{"role": "user", "content": [part]}]}, shows)


def _both(name: str, value: object, **shows: object) -> Example:
    """A field within another, as ``text.format``."""
    outer, inner = name.split(".")
    return Example({outer: {inner: value}}, shows)


FUNCTION: Fields = {"type": "function", "name": "t", "parameters": SCHEMA}
NAMED: Fields = {"type": "json_schema", "name": "o", "schema": SCHEMA, "strict": True}
SHARED: dict[str, Example] = {
    "top_k": _same("top_k", 4),
    "min_p": _same("min_p", 0.1),
    "presence_penalty": _same("presence_penalty", 0.5),
    "frequency_penalty": _same("frequency_penalty", 0.5),
    "repetition_penalty": _same("repetition_penalty", 1.1),
    "seed": _same("seed", 3),
    "stop": _same("stop", ["END"]),
    "logit_bias": _same("logit_bias", {"1": 2}),
}
RESPONSES: dict[str, Example] = {
    **SHARED,
    "model": _plain(model="other"),
    "input": _plain(input="ho"),
    "instructions": _plain(instructions="be good"),
    "input[type=message]": _item(type="message", role="developer", content="be good"),
    "input[type=message].content[type=input_text]": _content({"type": "input_text", "text": "ho"}),
    "input[type=message].content[type=output_text]": _content({"type": "output_text", "text": "ho"}),
    "input[type=message].content[type=refusal]": _content({"type": "refusal", "refusal": "no"}),
    "input[type=message].content[type=input_image]": _content({"type": "input_image", "image_url": "data:,x"}),
    "input[type=message].content[type=input_file]": _content(
        {"type": "input_file", "filename": "a.txt", "file_data": f"data:text/plain;base64,{ENCODED}"}, WORDS
    ),
    "input[type=message].content[type=other]": _content({"type": "input_smell"}, "[input_smell]"),
    "input[type=reasoning]": _item(type="reasoning", summary=[{"type": "summary_text", "text": "hm"}]),
    "input[type=function_call]": _item(type="function_call", call_id="a", name="t", arguments="{}"),
    "input[type=function_call_output]": _item(type="function_call_output", call_id="a", output="out"),
    "input[type=custom_tool_call]": _item(type="custom_tool_call", call_id="a", name="t", input="x"),
    "input[type=custom_tool_call_output]": _item(type="custom_tool_call_output", call_id="a", output="out"),
    "input[type=local_shell_call]": _item(type="local_shell_call", call_id="a", action={"command": ["ls"]}),
    "input[type=local_shell_call_output]": _item(type="local_shell_call_output", id="a", output="out"),
    "input[type=shell_call]": _item(type="shell_call", call_id="a", action={"commands": ["ls"]}),
    "input[type=shell_call_output]": _item(
        type="shell_call_output", call_id="a", output=[{"stdout": "out", "stderr": "", "outcome": {"type": "exit"}}]
    ),
    "input[type=apply_patch_call]": _item(type="apply_patch_call", call_id="a", operation={"diff": "+x"}),
    "input[type=apply_patch_call_output]": _item(type="apply_patch_call_output", call_id="a", status="completed"),
    "input[type=computer_call]": _item(type="computer_call", call_id="a", action={"type": "wait"}),
    "input[type=computer_call_output]": _item(
        type="computer_call_output", call_id="a", output={"type": "computer_screenshot", "image_url": "data:,x"}
    ),
    "input[type=tool_search_call]": _item(
        type="tool_search_call", call_id="a", execution="client", arguments={"query": "q"}
    ),
    "input[type=tool_search_output]": _item(
        type="tool_search_output", call_id="a", execution="client", tools=[FUNCTION]
    ),
    "input[type=additional_tools]": _item("[additional_tools: t]", type="additional_tools", tools=[FUNCTION]),
    "input[type=compaction]": _item("[compaction]", type="compaction", encrypted_content="E"),
    "input[type=web_search_call]": _item(
        "who?", type="web_search_call", id="w", action={"type": "search", "query": "who?"}
    ),
    "input[type=file_search_call]": _item("who?", type="file_search_call", id="f", queries=["who?"]),
    "input[type=code_interpreter_call]": _item("1 + 1", type="code_interpreter_call", id="c", code="1 + 1"),
    "input[type=image_generation_call]": _item(
        "[image_generation_call]", type="image_generation_call", id="i", result="AAAA"
    ),
    "input[type=mcp_call]": _item("it rains", type="mcp_call", id="m", name="weather", output="it rains"),
    "input[type=mcp_list_tools]": _item("[mcp_list_tools: s]", type="mcp_list_tools", server_label="s", tools=[]),
    "input[type=mcp_approval_request]": _item(
        "[mcp_approval_request: rm]", type="mcp_approval_request", name="rm", arguments="{}"
    ),
    "input[type=mcp_approval_response]": _item(
        "too risky", type="mcp_approval_response", approve=False, reason="too risky"
    ),
    "input[type=item_reference]": Example({}, over={}),
    "input[type=other]": _item("[smell_call: rose]\nsweet", type="smell_call", name="rose", output="sweet"),
    "tools[type=function]": _plain(tools=[FUNCTION]),
    "tools[type=custom]": _plain(tools=[{"type": "custom", "name": "t"}]),
    "tools[type=namespace]": _plain(tools=[{"type": "namespace", "name": "n", "tools": [FUNCTION]}]),
    "tools[type=tool_search]": _plain(tools=[{"type": "tool_search", "execution": "client", "parameters": SCHEMA}]),
    "tools[].strict": Example(
        {"tools": [{**FUNCTION, "strict": True}]},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"strict": True, "name": "t", "description": "", "parameters": SCHEMA},
                }
            ]
        },
        {"tools": [FUNCTION]},
    ),
    "tools[].format": Example(
        {"tools": [{"type": "custom", "name": "t", "format": {"type": "grammar"}}]},
        over={"tools": [{"type": "custom", "name": "t"}]},
    ),
    "tools[].defer_loading": Example({"tools": [{**FUNCTION, "defer_loading": True}]}, over={"tools": [FUNCTION]}),
    "tools[type=other]": _plain(tools=[{"type": "web_search"}]),
    "tool_choice": _plain(tool_choice="required"),
    "tool_choice[type=allowed_tools]": Example(
        {
            "tools": [FUNCTION, {"type": "function", "name": "u"}],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "u"}]},
        },
        {
            "tool_choice": "required",
            "tools": [{"type": "function", "function": {"name": "u", "description": "", "parameters": {}}}],
        },
    ),
    "tool_choice[type=other]": _plain(tool_choice={"type": "web_search"}),
    "max_output_tokens": _plain(max_output_tokens=100.0),
    "temperature": _plain(temperature=0.5),
    "top_p": _plain(top_p=0.5),
    "stream": _plain(stream=True),
    "text.format": _both(
        "text.format",
        NAMED,
        response_format={"type": "json_schema", "json_schema": {"name": "o", "schema": SCHEMA, "strict": True}},
    ),
    "text.verbosity": _both("text.verbosity", "low", verbosity="low"),
    "reasoning.effort": _both("reasoning.effort", "high", reasoning_effort="high"),
    "parallel_tool_calls": _same("parallel_tool_calls", False),  # noqa: FBT003 - a value
    "previous_response_id": Example({}),
    "conversation": Example({}),
    "store": _plain(store=False),
    "background": _plain(background=True),
    "prompt": _plain(prompt={"id": "p"}),
    "include": _plain(include=["reasoning.encrypted_content"]),
    "reasoning.summary": _both("reasoning.summary", "auto"),
    "reasoning.generate_summary": _both("reasoning.generate_summary", "auto"),
    "reasoning.encrypted_content": _both("reasoning.encrypted_content", True),  # noqa: FBT003 - a value
    "reasoning.context": _both("reasoning.context", "auto"),
    "reasoning.mode": _both("reasoning.mode", "pro"),
    "top_logprobs": _plain(top_logprobs=2),
    "truncation": _plain(truncation="auto"),
    "context_management": _plain(context_management=[{"type": "compaction"}]),
    "max_tool_calls": _plain(max_tool_calls=2),
    "stream_options": _plain(stream_options={"include_obfuscation": False}),
    "metadata": _plain(metadata={"a": "b"}),
    "client_metadata": _plain(client_metadata={"a": "b"}),
    "user": _plain(user="u"),
    "safety_identifier": _plain(safety_identifier="s"),
    "service_tier": _plain(service_tier="flex"),
    "access_programs": _plain(access_programs={}),
    "prompt_cache_key": _plain(prompt_cache_key="k"),
    "prompt_cache_retention": _plain(prompt_cache_retention="24h"),
    "prompt_cache_options": _plain(prompt_cache_options={}),
    "moderation": _plain(moderation={"model": "m"}),
    "image": _plain(image={"context_compression": "auto"}),
    "any other field": _plain(vendor={"a": 1}),
}
