"""OpenAI Responses: an answer as the items of a response's ``output``."""

from __future__ import annotations

from typing import Any

from greenroom.interception.dialects import arguments, free_text, responses_tools
from greenroom.interception.dialects.responses_input import UNSIGNED
from greenroom.interception.dialects.responses_tools import Origin
from greenroom.interception.dialects.turns import identified
from greenroom.messages import Completion, ModelCall, Text, Thinking, ToolUse

_Fields = dict[str, Any]

_CUT_SHORT = ("length", "content_filter")


def items(completion: Completion, call: ModelCall) -> list[_Fields]:
    """One item for each part that says something, and an empty message when none does."""
    origins = responses_tools.origins(call) if any(isinstance(part, ToolUse) for part in completion.parts) else {}
    done = [_item(part, f"{call.id}_{at}", origins) for at, part in enumerate(parts(completion, call))]
    if completion.finish_reason in _CUT_SHORT and "status" in done[-1]:
        done[-1]["status"] = "incomplete"
    return done


def parts(completion: Completion, call: ModelCall) -> list[Text | Thinking | ToolUse]:
    """The parts that become items, in their order."""
    return [part for part in identified(completion, call) if _tells(part)] or [Text("")]


def _tells(part: Text | Thinking | ToolUse) -> bool:
    return isinstance(part, ToolUse) or bool(part.text) or (isinstance(part, Thinking) and bool(part.signature))


def _item(part: Text | Thinking | ToolUse, id: str, origins: dict[str, Origin]) -> _Fields:
    match part:
        case Text():
            return _message(part, f"msg_{id}")
        case Thinking():
            return _reasoning(part, f"rs_{id}")
        case ToolUse():
            return _tool_call(part, id, origins.get(part.name) or Origin(part.name))


def _message(part: Text, id: str) -> _Fields:
    nothing: list[_Fields] = []
    content = {"type": "output_text", "text": part.text, "annotations": nothing, "logprobs": nothing}
    return {"type": "message", "id": id, "status": "completed", "role": "assistant", "content": [content]}


def _reasoning(part: Thinking, id: str) -> _Fields:
    """The text as the summary, which every client shows and sends back."""
    summary = [{"type": "summary_text", "text": part.text}] if part.text else []
    return {"type": "reasoning", "id": id, "summary": summary, "encrypted_content": part.signature or UNSIGNED}


def _tool_call(use: ToolUse, id: str, origin: Origin) -> _Fields:
    if origin.search:
        head = {"type": "tool_search_call", "id": f"tsc_{id}", "call_id": use.id, "status": "completed"}
        return {**head, "execution": "client", "arguments": arguments.as_object(use.arguments)}
    fields: _Fields = {"call_id": use.id, "name": origin.name}
    if origin.namespace is not None:
        fields["namespace"] = origin.namespace
    if origin.custom:
        return {"type": "custom_tool_call", "id": f"ctc_{id}", **fields, "input": free_text.taken(use.arguments)}
    head = {"type": "function_call", "id": f"fc_{id}", "status": "completed"}
    return {**head, **fields, "arguments": use.arguments}
