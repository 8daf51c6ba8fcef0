"""Ways of models to fail that are servers: from a random call on, for good or for a while."""

from __future__ import annotations

from collections.abc import Callable

from tests.world.blame.case import Case, Ground, Over
from tests.world.blame.scene import Scene
from tests.world.models.server import NOTHING, Answer, Asked, Said, chat, events, said

REAL: tuple[Ground, ...] = ("local", "docker")
DAY = str(24 * 3600)


def troubled(trouble: Said | None, times: int | None = None, since: int | None = None) -> Callable[[Scene], Answer]:
    """A server that answers; from the fateful call on, or from call ``since``, it says this, at most so many times."""

    def make(scene: Scene) -> Answer:
        told: list[Asked] = []

        def answer(asked: Asked) -> Said | None:
            body = asked.json()
            fateful = (len(body["messages"]) - 1) // 2 >= (scene.call if since is None else since)
            doomed = scene.row is not None and scene.row.attempt in scene.doomed
            if doomed and fateful and (times is None or len(told) < times):
                told.append(asked)
                return trouble
            return events(*_STREAM) if body.get("stream") else said(200, chat("done"))

        return answer

    return make


def chunk(text: str | None, finish: str | None = None) -> dict[str, object]:
    """A piece of a streamed answer."""
    delta = {} if text is None else {"role": "assistant", "content": text}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


_STREAM = (chunk("do"), chunk("ne"), chunk(None, "stop"))
_ERROR = {"error": {"message": "the engine died", "type": "server_error", "code": 500}}
_HALF = b'{"choices": [{"index": 0, "message": {"role": "assistant", "con'
_BROKEN = {**chat(""), "choices": [{"index": 0, "finish_reason": "error", "error": _ERROR["error"], "message": {}}]}

FAILING: dict[str, Said | None] = {
    "says 408": said(408, _ERROR),
    "says 429": said(429, _ERROR),
    "says 500": said(500, _ERROR),
    "says 502 in HTML": Said(status=502, pieces=(b"<html>Bad Gateway</html>",), headers={"Content-Type": "text/html"}),
    "says 503": said(503, _ERROR),
    "says 529": said(529, _ERROR),
    "never answers": None,
    "never goes on after the headers": NOTHING,
    "never goes on within the body": Said(pieces=(_HALF,), ending="silent"),
    "breaks the connection": Said(wordless=True, ending="reset"),
    "hangs up": Said(wordless=True),
    "breaks the connection within the body": Said(pieces=(_HALF,), ending="reset"),
    "hangs up within the body": Said(pieces=(_HALF,), ending="cut"),
    "answers half a JSON text": Said(pieces=(_HALF,)),
    "answers nothing at all": Said(),
    "answers in HTML": Said(pieces=(b"<html>Welcome</html>",), headers={"Content-Type": "text/html"}),
    "answers an error in a 200": said(200, _ERROR),
    "answers null": said(200, None),
}
"""What passes, perhaps: tried again by greenroom, and then in a new attempt."""

UNFINISHED: dict[str, Said] = {
    "aborts": said(200, chat("I will now cre", finish="abort")),
    "fails beside a reason": said(200, chat("", finish="error")),
    "fails within a choice": said(200, _BROKEN),
    "loses its network": said(200, chat("", finish="network_error")),
    "runs out of resources": said(200, chat("par", finish="insufficient_system_resource")),
}

REFUSING: dict[str, Said] = {
    "says 400": said(400, {"error": {"message": "temperature: must be at most 2"}}),
    "says 401": said(401, _ERROR),
    "says 403": said(403, _ERROR),
    "says 404": said(404, _ERROR),
    "says that it has moved": said(307, _ERROR, Location="/elsewhere"),
}
"""What lasts."""

HOPELESS: dict[str, Said] = {
    "says 429, come back in a day": said(429, _ERROR, Retry_After=DAY),
    "answers without choices": said(200, {"choices": []}),
}
"""What no further try within the rollout's time can help."""

OVERFLOWING: dict[str, Said] = {
    "says that the context is used up, by its code": said(
        400, {"error": {"message": "too long", "code": "context_length_exceeded"}}
    ),
    "says that the context is used up, in words": said(
        400, {"error": {"message": "This model's maximum context length is 32768 tokens. You requested 33000."}}
    ),
    "says that the context is used up, as a reason": said(200, chat("par", finish="model_context_window_exceeded")),
}


def _case(name: str, trouble: Said | None, cause: str, over: Over = "upstream") -> Case:
    which = {"upstream": "", "black_box": "provider "}[over]
    return Case(name=f"{which}{name}", of="model", serve=troubled(trouble), over=over, cause=cause, on=REAL)


def _for_a_while(name: str, trouble: Said | None) -> Case:
    return Case(
        name=f"{name}, once",
        of="model",
        serve=troubled(trouble, times=1),
        cause="finished",
        often=("once",),
        on=REAL,
    )


PASSED_ON = (
    "says 429",
    "says 500",
    "never answers",
    "breaks the connection within the body",
    "hangs up within the body",
)
"""What a provider is tried with whose answers are passed on as they are."""
FOR_A_WHILE = ("says 429", "says 503", "breaks the connection", "hangs up within the body", "answers half a JSON text")

CASES = (
    *(_case(name, trouble, "model_failed") for name, trouble in FAILING.items()),
    *(_case(name, trouble, "model_failed") for name, trouble in UNFINISHED.items()),
    *(_case(name, trouble, "model_refused") for name, trouble in REFUSING.items()),
    *(_case(name, trouble, "model_refused") for name, trouble in HOPELESS.items()),
    *(_case(name, trouble, "turns_used_up") for name, trouble in OVERFLOWING.items()),
    *(_case(name, FAILING[name], "model_failed", "black_box") for name in PASSED_ON),
    *(_case(name, REFUSING[name], "model_refused", "black_box") for name in ("says 401", "says 404")),
    *(_for_a_while(name, FAILING[name]) for name in FOR_A_WHILE),
)
