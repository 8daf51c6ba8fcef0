"""Completions greenroom itself makes or mends."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from greenroom.messages import Completion, FinishReason, Text, Thinking, ToolUse

Numbers = TypeVar("Numbers")

_FINISH = get_args(FinishReason)


def terminal(text: str) -> Completion:
    """A last word after which agents stop by themselves."""
    return Completion(parts=(Text(text),), finish_reason="stop")


OUT_OF_CALLS = terminal("The limit of model calls for this task is reached. The session ends here.")
OUT_OF_CONTEXT = terminal("The context window of the model is used up. The session ends here.")


class _Call(Struct):
    function: dict[str, Any] = {}


class _Extra(Struct, forbid_unknown_fields=True):
    message: dict[str, Any] = {}
    tool_calls: dict[str, _Call] = {}


def checked(completion: object) -> Completion:
    """A model's answer, fit to be sent and stored.

    What UTF-8 cannot hold (halves of surrogate pairs: whoever samples token by token can cut text there) is replaced
    by question marks. Lists of tokens become tuples.

    Raises:
        TypeError: It is no `Completion`, or one with something else where its text or its tokens should be, or with
            what cannot be written as JSON.
        ValueError: Its finish reason is none, or its tokens and log-probabilities do not belong together.
    """
    if not isinstance(completion, Completion):
        raise TypeError(f"expected a Completion, got {type(completion).__name__}")
    if completion.finish_reason not in _FINISH:
        raise ValueError(f"finish_reason: expected one of {', '.join(_FINISH)}, got {completion.finish_reason!r}")
    _check_rest(completion)
    return _with_tokens(_with_texts(completion))


def _check_rest(completion: Completion) -> None:
    if completion.routing is not None and not isinstance(completion.routing, str | list | dict):
        # Only its outside is looked at: there may be megabytes of it.
        raise TypeError(f"routing: expected text, a list or a dict, got {type(completion.routing).__name__}")
    if completion.extra:
        try:
            msgspec.convert(completion.extra, _Extra)
            msgspec.json.encode(completion.extra)
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"extra: {error}") from None


def _with_texts(completion: Completion) -> Completion:
    parts = tuple(_part(part) for part in completion.parts)
    sequence = None if completion.stop_sequence is None else _text(completion.stop_sequence)
    if (parts, sequence) == (completion.parts, completion.stop_sequence):
        return completion
    return replace(completion, parts=parts, stop_sequence=sequence)


def _with_tokens(completion: Completion) -> Completion:
    if completion.prompt_token_ids is None and completion.completion_token_ids is None and completion.logprobs is None:
        return completion
    ids = _numbers(completion.completion_token_ids, tuple[int, ...], "completion_token_ids")
    logprobs = _numbers(completion.logprobs, tuple[float, ...], "logprobs")
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise ValueError(f"{len(ids)} completion_token_ids but {len(logprobs)} logprobs")
    prompt = _numbers(completion.prompt_token_ids, tuple[int, ...], "prompt_token_ids")
    return replace(completion, prompt_token_ids=prompt, completion_token_ids=ids, logprobs=logprobs)


def _numbers(values: object, kind: type[Numbers], name: str) -> Numbers | None:
    try:
        return None if values is None else msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise TypeError(f"{name}: {error}") from None


def _part(part: Text | Thinking | ToolUse) -> Text | Thinking | ToolUse:
    if isinstance(part, ToolUse):
        return ToolUse(_text(part.id), _text(part.name), _text(part.arguments))
    if isinstance(part, Thinking) and part.signature is not None:
        return replace(part, text=_text(part.text), signature=_text(part.signature))
    return replace(part, text=_text(part.text))


def _text(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"expected text in a completion, got {type(text).__name__}")
    return text.encode(errors="replace").decode()
