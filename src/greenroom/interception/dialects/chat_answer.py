"""OpenAI chat completions: what an upstream answers, with the exact tokens where it offers them.

vLLM, asked for ``logprobs`` and ``return_token_ids``, puts ``prompt_token_ids`` at the root, ``token_ids`` and
``logprobs.content[].logprob`` into the choice, and there ``stop_reason``, the stop text it came to, if that is why it
stopped; SGLang calls that ``matched_stop``. ``weight_version``, where a trainer's server stamps it, is at the root, and
which experts the tokens of a mixture went through is in the choice: ``routing_matrices`` or ``routed_experts``.

Servers differ in shape. What is meant is taken where that is clear; counts are none too important to be left out.
"""

from __future__ import annotations

import math
from typing import Any, cast

import msgspec

from greenroom.interception.dialects import chat_body, chat_usage, value
from greenroom.interception.dialects.chat_calls import of_message
from greenroom.interception.dialects.chat_pieces import chosen
from greenroom.interception.dialects.chat_said import Said, said
from greenroom.interception.dialects.chat_uses import uses
from greenroom.interception.errors import DialectError, MisfitError, ShapeError
from greenroom.interception.finish import Ending, ended, ending, native
from greenroom.messages import Completion

_Fields = dict[str, Any]

_ROUTING = ("routing_matrices", "routed_experts")
_KNOWN = frozenset({"role", "content", "reasoning_content", "reasoning", "tool_calls", "function_call"})
_KNOWN_OF_CALLS = frozenset({"id", "type", "index", "function", "name", "arguments"})


def decode(body: bytes) -> Completion:
    """Read a chat completion.

    Raises:
        DialectError: It is none, or was cut.
        MisfitError: It says nothing, its tokens and log-probabilities do not belong together, or a call has no name.
        ShapeError: Something in it is of a type that says nothing.
    """
    return completion(chat_body.read(body).fields)


def choice_of(fields: _Fields) -> _Fields:
    """The choice that counts. Raises as `decode` does."""
    choices = fields.get("choices")
    if not choices:
        raise MisfitError("choices", "at least one choice", choices)
    if not isinstance(choices, list):
        raise ShapeError("choices", "an array", choices)
    choice = chosen(cast("list[object]", choices))
    if not isinstance(choice, dict):
        raise ShapeError("choices[0]", "an object", choice)
    return cast("_Fields", choice)


def ending_of(choice: _Fields, fields: _Fields) -> Ending | None:
    """Why this choice of an answer ended; ``None`` if nothing was said of that."""
    return ending(choice.get("finish_reason"), native(choice, fields))


def completion(fields: _Fields) -> Completion:
    """The completion in a body that was read. Raises as `decode` does."""
    choice = choice_of(fields)
    message, found = _message(choice), ending_of(choice, fields)
    parts = (*_said(message), *uses(message, "choices[0].message"))
    if not parts and found is None:
        raise MisfitError("choices[0]", "something said, or a reason why nothing was", choice)
    token_ids, logprobs = _tokens(choice)
    done = Completion(
        parts=parts,
        stop_sequence=_stop_sequence(choice),
        usage=chat_usage.read(fields, choice),
        prompt_token_ids=_ids(fields.get("prompt_token_ids"), "prompt_token_ids"),
        completion_token_ids=token_ids,
        logprobs=logprobs,
        weight_version=_version(fields.get("weight_version")),
        routing=_routing(choice, fields),
        extra=_extra(message),
    )
    return ended(done, found)


def _message(choice: _Fields) -> _Fields:
    message = choice.get("message")
    if message is None and isinstance(choice.get("text"), str):
        return {"content": choice["text"]}  # a completion of a text, as the older interface has it
    if message is None:
        raise MisfitError("choices[0].message", "an object", message)
    if not isinstance(message, dict):
        raise ShapeError("choices[0].message", "an object", message)
    return cast("_Fields", message)


def _said(message: _Fields) -> tuple[Said, ...]:
    return said(message, "choices[0].message")


def _tokens(choice: _Fields) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    ids = _ids(choice.get("token_ids"), "choices[0].token_ids")
    logprobs = _logprobs(choice.get("logprobs"))
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise MisfitError("choices[0].logprobs", f"as many as there are token ids, {len(ids)}", len(logprobs))
    return ids, logprobs


def _ids(ids: object, where: str) -> tuple[int, ...] | None:
    if ids is None:
        return None
    try:
        return msgspec.convert(ids, tuple[int, ...])
    except msgspec.ValidationError:
        raise ShapeError(where, "integers", ids) from None


def _logprobs(logprobs: object) -> tuple[float, ...] | None:
    if logprobs is not None and not isinstance(logprobs, dict):
        raise ShapeError("choices[0].logprobs", "an object", logprobs)
    content = None if logprobs is None else cast("_Fields", logprobs).get("content")
    if content is None:
        return None
    where = "choices[0].logprobs.content"
    if not isinstance(content, list):
        raise ShapeError(where, "an array", content)
    return tuple(_logprob(item, where) for item in cast("list[object]", content))


def _logprob(item: object, where: str) -> float:
    try:
        number = value.optional_number(value.as_object(item, where).get("logprob"), where)
    except DialectError:
        number = None
    if number is None or not math.isfinite(number):
        raise MisfitError(where, "finite numbers", item)
    return number


def _stop_sequence(choice: _Fields) -> str | None:
    # A number is the id of a token that ends every answer.
    found = (choice.get(name) for name in ("stop_reason", "matched_stop"))
    return next((reason for reason in found if isinstance(reason, str)), None)


def _routing(choice: _Fields, fields: _Fields) -> object:
    found = (where.get(name) for where in (choice, fields) for name in _ROUTING)
    return next((routing for routing in found if routing), None)


def _extra(message: _Fields) -> _Fields:
    """What the message has beyond our words; names that say nothing are left out."""
    more = {name: item for name, item in message.items() if name not in _KNOWN and item not in (None, "", [], {})}
    calls = [cast("_Fields", call) for call in of_message(message) if isinstance(call, dict)]
    left = {str(call["id"]): beyond for call in calls if (beyond := _beyond(call)) and call.get("id")}
    found = {"message": more, "tool_calls": left}
    return {name: item for name, item in found.items() if item}


def _beyond(call: _Fields) -> _Fields:
    function = call.get("function")
    inner = cast("_Fields", function) if isinstance(function, dict) else {}
    kept = {name: item for name, item in inner.items() if name not in ("name", "arguments")}
    left = {name: item for name, item in call.items() if name not in _KNOWN_OF_CALLS}
    return {**left, "function": kept} if kept else left


def _version(version: object) -> str | None:
    return None if version is None else str(version)
