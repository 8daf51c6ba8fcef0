"""The same for Anthropic's and Google's dialects."""

from __future__ import annotations

from tests.interception.field_examples import ENCODED, FORMAT, SCHEMA, SHARED, WORDS, Example
from tests.interception.talk import Fields


def _plain(**put: object) -> Example:
    return Example(put)


def _same(name: str, value: object) -> Example:
    return Example({name: value}, {name: value})


def _block(shows: str = "", /, role: str = "user", **block: object) -> Example:
    return Example({"messages": [{"role": role, "content": [block]}]}, shows)


def _both(name: str, value: object, **shows: object) -> Example:
    outer, inner = name.split(".")
    return Example({outer: {inner: value}}, shows)


TOOL: Fields = {"name": "t", "input_schema": SCHEMA}
SCHEMED: Fields = {"type": "json_schema", "schema": SCHEMA}


def _tool(name: str, value: object) -> Example:
    return Example({"tools": [{**TOOL, name: value}]}, over={"tools": [TOOL]})


ANTHROPIC: dict[str, Example] = {
    **SHARED,
    "model": _plain(model="other"),
    "messages": _plain(messages=[{"role": "user", "content": "ho"}]),
    "system": _plain(system="be good"),
    "messages[].content[type=text]": _block(type="text", text="ho"),
    "messages[].content[type=image]": _block(type="image", source={"type": "url", "url": "u"}),
    "messages[].content[type=thinking]": _block(role="assistant", type="thinking", thinking="hm", signature="s"),
    "messages[].content[type=redacted_thinking]": Example(
        {"messages": [{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "d"}]}]},
        over={"messages": [{"role": "assistant", "content": []}]},
    ),
    "messages[].content[type=tool_use]": _block(role="assistant", type="tool_use", id="a", name="t", input={}),
    "messages[].content[type=tool_result]": _block(type="tool_result", tool_use_id="a", content="out"),
    "messages[].content[type=tool_result].is_error": Example(
        _block(type="tool_result", tool_use_id="a", content="out", is_error=True).put,
        over=_block(type="tool_result", tool_use_id="a", content="out").put,
    ),
    "messages[].content[type=document]": _block(WORDS, type="document", source={"type": "text", "data": WORDS}),
    "messages[].content[type=search_result]": _block(
        f"[search_result: T]\nhttps://x\n{WORDS}",
        type="search_result",
        title="T",
        source="https://x",
        content=[{"type": "text", "text": WORDS}],
    ),
    "messages[].content[type=compaction]": _block(WORDS, role="assistant", type="compaction", content=WORDS),
    "messages[].content[type=other]": _block("[smell: rose]", type="smell", name="rose"),
    "tools[].input_schema": _plain(tools=[TOOL]),
    "tools[].strict": Example(
        {"tools": [{**TOOL, "strict": True}]},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"strict": True, "name": "t", "description": "", "parameters": SCHEMA},
                }
            ]
        },
        {"tools": [TOOL]},
    ),
    "tools[].cache_control": _tool("cache_control", {"type": "ephemeral"}),
    "tools[].defer_loading": _tool("defer_loading", True),  # noqa: FBT003 - a value
    "tools[].eager_input_streaming": _tool("eager_input_streaming", True),  # noqa: FBT003 - a value
    "tools[].allowed_callers": _tool("allowed_callers", ["direct"]),
    "tools[].input_examples": _tool("input_examples", [{"a": "b"}]),
    "tools[type=other]": _plain(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "tool_choice": _plain(tool_choice={"type": "any"}),
    "tool_choice.disable_parallel_tool_use": Example(
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"parallel_tool_calls": False, "tool_choice": "auto"},
        {"tool_choice": {"type": "auto"}},
    ),
    "max_tokens": _plain(max_tokens=100.0),
    "temperature": _plain(temperature=0.5),
    "top_p": _plain(top_p=0.5),
    "stop_sequences": _plain(stop_sequences=["END"]),
    "stream": _plain(stream=True),
    "output_config.format": _both("output_config.format", SCHEMED, response_format=FORMAT),
    "output_format": Example({"output_format": SCHEMED}, {"response_format": FORMAT}),
    "output_config.effort": _both("output_config.effort", "max", reasoning_effort="max"),
    "output_config.task_budget": _both("output_config.task_budget", {"total": 9}),
    "thinking.type": _both("thinking.type", "disabled", reasoning_effort="none"),
    "thinking.budget_tokens": _both("thinking.budget_tokens", 8192, reasoning_effort="medium"),
    "thinking.display": _both("thinking.display", "omitted"),
    "metadata": _plain(metadata={"user_id": "u"}),
    "user_profile_id": _plain(user_profile_id="u"),
    "workspace_id": _plain(workspace_id="w"),
    "service_tier": _plain(service_tier="auto"),
    "billing_policy": _plain(billing_policy={}),
    "fallback_credit_token": _plain(fallback_credit_token="t"),
    "speed": _plain(speed="fast"),
    "inference_geo": _plain(inference_geo="eu"),
    "cache_control": _plain(cache_control={"type": "ephemeral"}),
    "betas": _plain(betas=["x"]),
    "context_management": _plain(context_management={"edits": []}),
    "compaction": _plain(compaction={}),
    "diagnostics": _plain(diagnostics={}),
    "fallbacks": _plain(fallbacks=[]),
    "container": _plain(container="c"),
    "mcp_servers": _plain(mcp_servers=[]),
    "thread": _plain(thread={}),
    "any other field": _plain(vendor={"a": 1}),
}


def _part(shows: str = "", /, **part: object) -> Example:
    return Example({"contents": [{"role": "user", "parts": [part]}]}, shows)


def _config(name: str, value: object, **shows: object) -> Example:
    return Example({"generationConfig": {name: value}}, shows)


def _thinking(name: str, value: object, **shows: object) -> Example:
    return Example({"generationConfig": {"thinkingConfig": {name: value}}}, shows)


DECLARED: Fields = {"name": "t", "parametersJsonSchema": SCHEMA}


def _declared(name: str, value: object) -> Example:
    tools = [{"functionDeclarations": [{**DECLARED, name: value}]}]
    return Example({"tools": tools}, over={"tools": [{"functionDeclarations": [DECLARED]}]})


GOOGLE: dict[str, Example] = {
    "contents": _plain(contents={"parts": {"text": "ho"}}),
    "contents[].role": _plain(contents=[{"role": "model", "parts": [{"text": "hi"}]}]),
    "contents[].parts": _plain(contents=[{"parts": {"text": "ho"}}]),
    "contents[].parts[].text": _part(text="hm", thought=True),
    "contents[].parts[].thoughtSignature": Example(
        {"contents": [{"role": "model", "parts": [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"}]}]}
    ),
    "contents[].parts[].functionCall": _plain(
        contents=[{"role": "model", "parts": [{"functionCall": {"name": "t", "args": {"a": "b"}}}]}]
    ),
    "contents[].parts[].functionResponse": _part(functionResponse={"name": "t", "response": {"output": "out"}}),
    "contents[].parts[].inlineData": _part(inlineData={"mimeType": "text/plain", "data": ENCODED}),
    "contents[].parts[].fileData": _part(fileData={"mimeType": "image/png", "fileUri": "u"}),
    "contents[].parts[].executableCode": _part(
        "[executableCode]\n1 + 1", executableCode={"language": "PYTHON", "code": "1 + 1"}
    ),
    "contents[].parts[].codeExecutionResult": _part(
        "[codeExecutionResult]\n2", codeExecutionResult={"outcome": "OUTCOME_OK", "output": "2"}
    ),
    "contents[].parts[].other": _part("[smell]", smell={}),
    "systemInstruction": _plain(systemInstruction={"parts": {"text": "be good"}}),
    "tools[].functionDeclarations": _plain(tools={"functionDeclarations": DECLARED}),
    "tools[].functionDeclarations[].behavior": _declared("behavior", "BLOCKING"),
    "tools[].functionDeclarations[].response": _declared("response", {"type": "STRING"}),
    "tools[].functionDeclarations[].responseJsonSchema": _declared("responseJsonSchema", SCHEMA),
    "tools[].other": _plain(tools=[{"googleSearch": {"a": "b"}}]),
    "toolConfig.functionCallingConfig.mode": _plain(toolConfig={"functionCallingConfig": {"mode": "ANY"}}),
    "toolConfig.functionCallingConfig.allowedFunctionNames": Example(
        {
            "tools": [{"functionDeclarations": [{"name": name} for name in "tuv"]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["u", "v"]}},
        },
        {
            "tool_choice": "required",
            "tools": [
                {"type": "function", "function": {"name": name, "description": "", "parameters": {}}} for name in "uv"
            ],
        },
    ),
    "toolConfig.retrievalConfig": _plain(toolConfig={"retrievalConfig": {"languageCode": "en"}}),
    "toolConfig.includeServerSideToolInvocations": _plain(toolConfig={"includeServerSideToolInvocations": True}),
    "generationConfig.maxOutputTokens": _config("maxOutputTokens", 100.0),
    "generationConfig.temperature": _config("temperature", 0.5),
    "generationConfig.topP": _config("topP", 0.5),
    "generationConfig.stopSequences": _config("stopSequences", ["END"]),
    "generationConfig.seed": _config("seed", 3),
    "generationConfig.candidateCount": _config("candidateCount", 2),
    "generationConfig.topK": _config("topK", 40.0, top_k=40),
    "generationConfig.presencePenalty": _config("presencePenalty", 0.5, presence_penalty=0.5),
    "generationConfig.frequencyPenalty": _config("frequencyPenalty", 0.5, frequency_penalty=0.5),
    "generationConfig.responseMimeType": _config(
        "responseMimeType", "application/json", response_format={"type": "json_object"}
    ),
    "generationConfig.responseSchema": _config(
        "responseSchema", {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, response_format=FORMAT
    ),
    "generationConfig.responseJsonSchema": _config("responseJsonSchema", SCHEMA, response_format=FORMAT),
    "generationConfig.thinkingConfig.thinkingLevel": _thinking("thinkingLevel", "HIGH", reasoning_effort="high"),
    "generationConfig.thinkingConfig.thinkingBudget": _thinking("thinkingBudget", 0, reasoning_effort="none"),
    "generationConfig.thinkingConfig.includeThoughts": _thinking("includeThoughts", True),  # noqa: FBT003 - a value
    "generationConfig.responseLogprobs": _config("responseLogprobs", True),  # noqa: FBT003 - a value
    "generationConfig.logprobs": _config("logprobs", 2),
    "generationConfig.responseModalities": _config("responseModalities", ["TEXT"]),
    "generationConfig.responseFormat": _config("responseFormat", {}),
    "generationConfig.speechConfig": _config("speechConfig", {}),
    "generationConfig.imageConfig": _config("imageConfig", {"aspectRatio": "1:1"}),
    "generationConfig.mediaResolution": _config("mediaResolution", "LOW"),
    "generationConfig.translationConfig": _config("translationConfig", {}),
    "generationConfig.audioTranscriptionConfig": _config("audioTranscriptionConfig", {}),
    "generationConfig.audioTimestamp": _config("audioTimestamp", True),  # noqa: FBT003 - a value
    "generationConfig.enableEnhancedCivicAnswers": _config("enableEnhancedCivicAnswers", True),  # noqa: FBT003
    "generationConfig.enableAffectiveDialog": _config("enableAffectiveDialog", True),  # noqa: FBT003 - a value
    "generationConfig.routingConfig": _config("routingConfig", {}),
    "generationConfig.modelSelectionConfig": _config("modelSelectionConfig", {}),
    "safetySettings": _plain(safetySettings=[]),
    "modelArmorConfig": _plain(modelArmorConfig={}),
    "labels": _plain(labels={"a": "b"}),
    "serviceTier": _plain(serviceTier="flex"),
    "store": _plain(store=True),
    "cachedContent": _plain(cachedContent="cachedContents/x"),
    "model": _plain(model="models/m"),
    "any other field": _plain(vendor={"a": 1}),
}
