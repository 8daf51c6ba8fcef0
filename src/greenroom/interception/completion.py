"""Completions greenroom itself makes or mends."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar, cast, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from greenroom.interception.errors import ModelError
from greenroom.interception.finish import meant
from greenroom.messages import Completion, FinishReason, Text, Thinking, ToolUse, Usage

Numbers = TypeVar("Numbers")

_FINISH = get_args(FinishReason)
_SAID = tuple(word for word in _FINISH if word != "unknown")
"""What a model's owner should say."""
_KINDS = "Text, Thinking or ToolUse"
_SHOWN = 60


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


class AnswerError(Exception):
    """A model's answer cannot be used. The text names the place, and holds nothing of what the model said."""


def unusable(error: AnswerError) -> ModelError:
    """What an answer that cannot be used is to an outcome."""
    kind = "TypeError" if isinstance(error, TypeError) else "ValueError"
    return ModelError("bad_answer", f"the model's answer cannot be used: {kind}: {error}")


class AnswerTypeError(AnswerError, TypeError):
    """Something in it is of the wrong type."""


class AnswerValueError(AnswerError, ValueError):
    """Something in it is no such value as it has to be."""


def checked(completion: object) -> Completion:
    """A model's answer, fit to be sent and stored.

    What UTF-8 cannot hold (halves of surrogate pairs: whoever samples token by token can cut text there) is replaced
    by question marks. Lists of parts and of tokens become tuples. A finish reason that says ``tool_calls`` where there
    are none, or ``stop`` where there are some, becomes the other.

    Raises:
        AnswerTypeError: It is no `Completion`, or something in it is of the wrong type, or cannot be written as JSON.
        AnswerValueError: Its finish reason is none, its tokens and log-probabilities do not belong together, a
            log-probability is not finite, or a token that was sampled is negative.
    """
    if not isinstance(completion, Completion):
        raise AnswerTypeError(f"expected a Completion, got {type(completion).__name__}")
    if completion.finish_reason not in _FINISH:
        got = repr(completion.finish_reason)[:_SHOWN]
        raise AnswerValueError(f"finish_reason: expected one of {', '.join(_SAID)}, got {got}")
    _check_usage(completion.usage)
    _check_rest(completion)
    return _with_tokens(_with_reason(_with_texts(completion)))


def _check_usage(usage: object) -> None:
    _expect(usage, Usage, "usage")
    for name in Usage.__struct_fields__:
        count: object = getattr(usage, name)
        if isinstance(count, bool) or not isinstance(count, int):
            raise AnswerTypeError(f"usage.{name}: expected a whole number, got {type(count).__name__}")


def _check_rest(completion: Completion) -> None:
    if completion.weight_version is not None:
        _expect(completion.weight_version, str, "weight_version")
    if completion.routing is not None and not isinstance(completion.routing, str | list | dict):
        # Only its outside is looked at: there may be megabytes of it.
        raise AnswerTypeError(f"routing: expected text, a list or a dict, got {type(completion.routing).__name__}")
    _expect(completion.extra, dict, "extra")
    if completion.extra:
        try:
            msgspec.convert(completion.extra, _Extra)
            msgspec.json.encode(completion.extra)
        except (TypeError, ValueError, RecursionError) as error:
            raise AnswerTypeError(f"extra: {error}") from None


def _with_texts(completion: Completion) -> Completion:
    given: object = completion.parts
    if not isinstance(given, tuple | list):
        raise AnswerTypeError(f"parts: expected a tuple of {_KINDS} parts, got {type(given).__name__}")
    parts = tuple(_part(part, f"parts[{at}]") for at, part in enumerate(cast("Sequence[object]", given)))
    sequence = None if completion.stop_sequence is None else _text(completion.stop_sequence, "stop_sequence")
    native = completion.native_finish_reason
    native = None if native is None else _text(native, "native_finish_reason")
    if (parts, sequence, native) == (completion.parts, completion.stop_sequence, completion.native_finish_reason):
        return completion
    return replace(completion, parts=parts, stop_sequence=sequence, native_finish_reason=native)


def _with_reason(completion: Completion) -> Completion:
    """Whether tools are called, the parts know better than the word for it."""
    reason = meant(completion)
    return completion if reason == completion.finish_reason else replace(completion, finish_reason=reason)


def _with_tokens(completion: Completion) -> Completion:
    if completion.prompt_token_ids is None and completion.completion_token_ids is None and completion.logprobs is None:
        return completion
    ids = _numbers(completion.completion_token_ids, tuple[int, ...], "completion_token_ids")
    logprobs = _numbers(completion.logprobs, tuple[float, ...], "logprobs")
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        raise AnswerValueError(f"{len(ids)} completion_token_ids but {len(logprobs)} logprobs")
    if ids and min(ids) < 0:
        raise AnswerValueError(f"completion_token_ids[{ids.index(min(ids))}]: expected 0 or more, got {min(ids)}")
    if logprobs is not None and not all(map(math.isfinite, logprobs)):
        at, wrong = next((at, value) for at, value in enumerate(logprobs) if not math.isfinite(value))
        raise AnswerValueError(f"logprobs[{at}]: expected a finite number, got {wrong}")
    prompt = _numbers(completion.prompt_token_ids, tuple[int, ...], "prompt_token_ids")
    return replace(completion, prompt_token_ids=prompt, completion_token_ids=ids, logprobs=logprobs)


def _numbers(values: object, kind: type[Numbers], name: str) -> Numbers | None:
    try:
        return None if values is None else msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise AnswerTypeError(f"{name}: {error}") from None


def _part(part: object, where: str) -> Text | Thinking | ToolUse:
    match part:
        case Text():
            return replace(part, text=_text(part.text, f"{where}.text"))
        case Thinking():
            _expect(part.redacted, bool, f"{where}.redacted")
            signature = None if part.signature is None else _text(part.signature, f"{where}.signature")
            return replace(part, text=_text(part.text, f"{where}.text"), signature=signature)
        case ToolUse():
            texts = {name: _text(getattr(part, name), f"{where}.{name}") for name in ToolUse.__struct_fields__}
            return ToolUse(**texts)
        case _:
            raise AnswerTypeError(f"{where}: expected {_KINDS}, got {type(part).__name__}")


def _text(text: object, where: str) -> str:
    if not isinstance(text, str):
        raise AnswerTypeError(f"{where}: expected text, got {type(text).__name__}")
    return text.encode(errors="replace").decode()


def _expect(value: object, kind: type, where: str) -> None:
    if not isinstance(value, kind):
        raise AnswerTypeError(f"{where}: expected {kind.__name__}, got {type(value).__name__}")
