"""How a reply ends: what each dialect says last, and how it says that it failed. Pure; nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from greenroom.interception import envelope
from greenroom.interception.finish import Ending, ending, native
from greenroom.interception.overflow import overflows
from greenroom.interception.replies.fields import Fields, inner, items, text
from greenroom.specs import Dialect

DONE = "[DONE]"
"""Chat's last event, the only one of any dialect that is not JSON."""

_WORD = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Failed(Struct, frozen=True):
    """The provider says that it failed."""

    word: str
    """Its own word for it: a code, a type or a finish reason; empty if it has none that can be shown."""
    status: int | None
    """The HTTP status it names."""
    text: str
    """All it says. It may quote a key."""
    overflow: bool = False
    """Whether it says that the conversation is too long for the model."""


Sign = Literal["more", "answered", "over"] | Failed
"""What one event says of the end.

``more``: nothing. ``answered``: the answer is whole, though more may be told of it, such as its usage. ``over``: this
was the dialect's last event.
"""


def sign(dialect: Dialect, piece: Fields) -> Sign:
    """What an event of a stream, or a whole reply, says of the end."""
    error = piece.get("error")
    if error:
        return _failed(inner(piece, "error") or {"message": error})
    return _SIGNS[dialect](piece)


def ends_without_last_event(dialect: Dialect) -> bool:
    """Whether a provider may end a whole answer without a last event: chat's is often left out, Google has none."""
    return dialect in ("chat", "google")


def _chat(piece: Fields) -> Sign:
    found: Sign = "more"
    for choice in items(piece, "choices"):
        why = ending(choice.get("finish_reason"), native(choice, piece))
        if choice.get("error") or _is_failure(why):
            return _failed(inner(choice, "error") or {"code": why.word if why else ""})
        found = "answered" if why else found
    return found


def _anthropic(piece: Fields) -> Sign:
    match piece.get("type"):
        case "error":
            return _failed(piece)
        case "message_delta" if _is_failure(why := ending(inner(piece, "delta").get("stop_reason"))):
            return _failed({"code": why.word if why else ""})
        case "message_stop":
            return "over"
        case _:
            return "more"


def _responses(piece: Fields) -> Sign:
    response = inner(piece, "response") or piece
    kind = text(piece, "type")
    if kind == "error" or kind in ("response.failed", "response.cancelled"):
        return _failed(inner(response, "error") or {"code": kind, **response})
    if text(response, "status") in ("failed", "cancelled"):
        return _failed(inner(response, "error") or {"code": text(response, "status")})
    return "over" if kind in ("response.completed", "response.incomplete") else "more"


def _google(piece: Fields) -> Sign:
    reasons = [reason for one in items(piece, "candidates")[:1] if (reason := text(one, "finishReason"))]
    if reasons and _is_failure(ending(reasons[0])):
        return _failed({"code": reasons[0]})
    # Some models put a finish reason into every chunk, so it is not known to be the last one.
    return "answered" if reasons or text(inner(piece, "promptFeedback"), "blockReason") else "more"


_SIGNS: Mapping[Dialect, Callable[[Fields], Sign]] = {
    "chat": _chat,
    "anthropic": _anthropic,
    "responses": _responses,
    "google": _google,
}


def _failed(error: Fields) -> Failed:
    given = [error.get(name) for name in ("type", "code", "status")]
    words = [str(word) for word in given if isinstance(word, str | int) and not isinstance(word, bool)]
    said = [word for word in words if _WORD.fullmatch(word)]
    number = next((int(word) for word in said if word.isdecimal() and len(word) == len("503")), None)
    shown = next((word for word in said if word != "error"), next(iter(said), ""))
    complaint = envelope.of(error)
    overflow = overflows(complaint.status, complaint)
    return Failed(shown, number, msgspec.json.encode(error).decode(), overflow)


def _is_failure(why: Ending | None) -> bool:
    return why is not None and why.meaning == "failed"
