"""OpenAI Responses: what an agent may refer to instead of saying it again: responses, their items, conversations.

The provider keeps these for whoever has an account; here they belong to one attempt. What was said by another attempt,
or is forgotten, is not found, and the agent is told so as the provider tells it.
"""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from greenroom.interception.dialects import responses_input, value
from greenroom.interception.dialects.responses_items import items, parts
from greenroom.interception.errors import DialectError
from greenroom.interception.memory import Memory
from greenroom.messages import ChatMessage, Completion, ModelCall

_Fields = dict[str, Any]

_ID_BYTES = 16


def recalled(fields: _Fields, memory: Memory | None) -> tuple[ChatMessage, ...]:
    """What a request goes on from. Raises `DialectError` when that is not known here."""
    previous = value.optional_text(fields.get("previous_response_id"), "previous_response_id")
    conversation = _conversation(fields.pop("conversation", None))
    if memory is None:
        return ()
    if previous and conversation:
        value.fail("previous_response_id", "null where there is a conversation")
    if conversation:
        messages = _found(memory, conversation, "conversation", HTTPStatus.NOT_FOUND, None)
        fields["conversation"] = {"id": conversation, "recalled": len(messages)}
        return messages
    if previous:
        code = "previous_response_not_found"
        return _found(memory, previous, "previous_response_id", HTTPStatus.BAD_REQUEST, code)
    return ()


def remember(call: ModelCall, answer: Completion, memory: Memory) -> None:
    """Keep a response, and its items, unless the agent wants nothing stored; and the conversation it belongs to."""
    conversation = _conversation(call.extra.get("conversation"))
    stored = call.extra.get("store") is not False
    if not stored and not conversation:
        return
    said = parts(answer, call)
    # Instructions are those of one request: the next one brings its own.
    messages = (*call.messages[_instructions(call) :], ChatMessage("assistant", tuple(said)))
    if conversation:
        memory.keep(conversation, messages)
    if stored:
        for item, part in zip(items(answer, call), said, strict=True):
            memory.keep(item["id"], (ChatMessage("assistant", (part,)),))
        memory.keep(f"resp_{call.id}", messages)


def begin(body: bytes, memory: Memory | None) -> bytes:
    """Open a conversation, which may begin with items. Raises `DialectError`."""
    fields = value.parse(body) if body else {}
    value.check_depth(fields)
    id = f"conv_{secrets.token_hex(_ID_BYTES)}"
    said = responses_input.Reader(memory).read(fields.get("items") or [])[0]
    if memory is not None:
        memory.keep(id, said)
    metadata = value.optional_object(fields.get("metadata"), "metadata")
    return msgspec.json.encode({"id": id, "object": "conversation", "created_at": 0, "metadata": metadata})


def own(call: ModelCall) -> ModelCall:
    """The call without what its conversation held before: that may have gone on when the same request comes again."""
    if call.dialect != "responses" or "conversation" not in call.extra:
        return call
    conversation, begin = call.extra["conversation"], _instructions(call)
    messages = (*call.messages[:begin], *call.messages[begin + conversation["recalled"] :])
    return replace(call, messages=messages, extra={**call.extra, "conversation": conversation["id"]})


def _instructions(call: ModelCall) -> int:
    return int(call.extra.get("instructions") is not None)


def _conversation(given: object) -> str | None:
    if isinstance(given, dict):
        return value.as_text(cast("_Fields", given).get("id"), "conversation.id")
    return value.optional_text(given, "conversation")


def _found(memory: Memory, name: str, where: str, status: HTTPStatus, code: str | None) -> tuple[ChatMessage, ...]:
    messages = memory.recall(name)
    if messages is None:
        text = f"{where}: not found in what this key has asked for; send the whole conversation as input"
        raise DialectError(text, status, code)
    return messages
