"""The parsers that read what strangers write, each as a function of bytes that fails if it does what it must not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from greenroom.interception.dialects import DIALECTS, Dialect, chat_answer, sse
from greenroom.interception.errors import DialectError, malformed
from greenroom.interception.replies import read
from greenroom.interception.session import fingerprint
from greenroom.interception.verdict import judge
from greenroom.messages import Completion, Text, Thinking, ToolUse
from tests.interception.dialogue import NAMES, ask, fields
from tests.interception.test_anthropic_request import EVERYTHING as ANTHROPIC
from tests.interception.test_chat_request import EVERYTHING as CHAT
from tests.interception.test_google_request import EVERYTHING as GOOGLE
from tests.interception.test_replies import reply
from tests.interception.test_responses_request import EVERYTHING as RESPONSES
from tests.interception.test_round_trip import REPLY

Target = Callable[[bytes], None]

FULL = Completion(parts=(Thinking("hm", "s"), Text("hello"), ToolUse("", "bash", '{"a": [1]}'), ToolUse("b", "x", "[")))


def request_of(dialect: Dialect) -> Target:
    """A request is read, told apart, answered in both ways; or refused in words that can be told."""

    def target(data: bytes) -> None:
        for stream in (False, True):
            request = ask(dialect.name, stream=stream, body=data)
            try:
                call = replace(dialect.decode(request, data), id="r.1.0")
            except DialectError as error:
                msgspec.json.decode(dialect.error(malformed(error)))
                continue
            assert len(fingerprint(call)) == 16
            msgspec.json.decode(dialect.encode(FULL, call))
            events = dialect.stream(call)
            whole = b"".join((events.opening(), *events.body(FULL), events.closing()))
            assert b"hello" in whole

    return target


def reply_of(dialect: Dialect) -> Target:
    """A provider's reply is read as something that can be stored."""

    def target(data: bytes) -> None:
        msgspec.json.encode(read(dialect.name, data))

    return target


def answer(data: bytes) -> None:
    """An upstream's answer is read, or refused."""
    try:
        found = chat_answer.decode(data)
    except DialectError:
        return
    msgspec.json.encode(found)


def verdict(data: bytes) -> None:
    """Whatever an upstream says, something follows from it."""
    for status in (200, 400, 401, 429, 500):
        assert judge(status, {"Retry-After": data[:20].decode(errors="replace")}, data, "secret-KEY") is not None


def events(data: bytes) -> None:
    """Events are the same however the stream is cut."""
    data = data[:2000]
    whole = sse.Parser().feed(data)
    parser = sse.Parser()
    pieces = [event for at in range(len(data)) for event in parser.feed(data[at : at + 1])]
    assert pieces == whole


def _json(*values: object) -> list[bytes]:
    return [msgspec.json.encode(value) for value in values]


_EVERYTHING = {"chat": CHAT, "responses": RESPONSES, "anthropic": ANTHROPIC, "google": GOOGLE}
REQUESTS: Mapping[str, Sequence[bytes]] = {name: _json(fields(name), _EVERYTHING[name]) for name in NAMES}
"""Good bodies of each dialect: the simplest, and one with all there is."""
REPLIES: Mapping[str, Sequence[bytes]] = {
    name: [reply(name, FULL, stream=stream) for stream in (False, True)] for name in NAMES
}
TARGETS: Mapping[str, Target] = {
    **{f"request.{dialect.name}": request_of(dialect) for dialect in DIALECTS},
    **{f"reply.{dialect.name}": reply_of(dialect) for dialect in DIALECTS},
    "answer": answer,
    "verdict": verdict,
    "events": events,
}
GOOD: Mapping[str, Sequence[bytes]] = {
    **{f"request.{name}": REQUESTS[name] for name in NAMES},
    **{f"reply.{name}": REPLIES[name] for name in NAMES},
    "answer": _json(REPLY),
    "verdict": _json(REPLY, {"error": {"code": "x", "message": "maximum context length"}}),
    "events": [REPLIES["anthropic"][1]],
}
"""For each of them, what it reads on a good day."""


def dialect_in(target: str) -> str:
    """The dialect whose words a target knows."""
    return target.rpartition(".")[2] if "." in target else "chat"
