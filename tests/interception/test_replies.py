"""What providers answer, read for the record."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from greenroom.interception.replies import read
from greenroom.messages import Completion, Part, Text, Thinking, ToolUse, Usage
from tests.interception.dialogue import NAMES, ask, dialect_of

FULL = Completion(
    parts=(Thinking("hm"), Text("let me see "), ToolUse("a", "bash", '{"command":"ls"}'), ToolUse("b", "look", "{}")),
    finish_reason="tool_calls",
    usage=Usage(10, 20, 3),
)


def gist(parts: tuple[Part, ...]) -> list[tuple[str, ...]]:
    """What matters of an answer: signatures are made up where the model gave none."""
    found: list[tuple[str, ...]] = []
    for part in parts:
        match part:
            case ToolUse(id=id, name=name, arguments=arguments):
                found.append(("use", id, name, json.dumps(json.loads(arguments))))
            case Text(text=text) | Thinking(text=text) if text:
                found.append((type(part).__name__, text))
            case _:
                pass
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_every_dialect_can_be_read(name: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An answer of any dialect, in one piece or streamed, is read as what was said, how it ended and what it cost."""
    for completion in (FULL, replace(FULL, parts=FULL.parts[:2], finish_reason="length"), replace(FULL, parts=())):
        found = read(dialect_of(name).name, reply(name, completion, stream=stream))
        assert gist(found.parts) == gist(completion.parts)
        if completion.parts:
            assert found.finish_reason == completion.finish_reason
        assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (10, 20)


def reply(name: str, completion: Completion, *, stream: bool) -> bytes:
    """A provider's reply in this dialect."""
    dialect = dialect_of(name)
    request = ask(name, stream=stream)
    assert isinstance(request.body, bytes)
    call = replace(dialect.decode(request, request.body), id="r.1.0")
    if not stream:
        return dialect.encode(completion, call)
    events = dialect.stream(call)
    return b"".join((events.opening(), events.keepalive(), *events.body(completion), events.closing()))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_whatever_comes_is_read(name: str, data: st.DataObject) -> None:
    """Replies that were cut, mixed up or are none at all give an answer too, if only an empty one."""
    whole = reply(name, FULL, stream=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(whole)))
    noise = data.draw(
        st.binary(max_size=30) | st.sampled_from([b"[" * 5000, b'{"choices":3}', b"null", b"[1]", b"data: 1\n\n"])
    )
    assert isinstance(read(dialect_of(name).name, whole[:cut] + noise + whole[cut:]), Completion)


WORDS = [
    *("choices", "delta", "message", "content", "tool_calls", "function", "usage", "response", "output", "type"),
    *("text", "candidates", "parts", "functionCall", "index", "content_block"),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from(NAMES), st.lists(_JSON, max_size=4))
def test_whatever_json_comes_is_read(name: str, pieces: list[object]) -> None:
    """JSON of a provider's that is of another shape than any we know is read without a word."""
    events = b"".join(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)
    for body in (events, json.dumps(pieces).encode(), json.dumps(pieces[:1]).encode()[1:-1]):
        assert isinstance(read(dialect_of(name).name, body), Completion)
