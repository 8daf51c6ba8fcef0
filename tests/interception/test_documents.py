"""Documents of plain text are text, in every dialect alike."""

from __future__ import annotations

import base64
import json

import pytest

from greenroom.interception import Request
from greenroom.interception.dialects import GoogleDialect, chat_request, documents
from greenroom.messages import Text
from tests.interception import test_anthropic_request as anthropic
from tests.interception import test_responses_request as responses
from tests.interception.talk import Fields
from tests.interception.test_chat_request import decode as chat

WORDS = "a,b\né,1"
DATA = base64.b64encode(WORDS.encode()).decode()


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "text/csv", "TEXT/Markdown", "application/json", "application/ld+json", "text/x; charset=utf-8"],
)
def test_kinds_of_text(kind: str) -> None:
    """Whatever says that it is text is read, by itself and in an address."""
    assert documents.text_of(kind, DATA) == WORDS
    assert documents.text_of_url(f"data:{kind.replace(' ', '')};base64,{DATA}") == WORDS


@pytest.mark.parametrize(
    ("kind", "data"), [("application/pdf", DATA), ("text/plain", "no base64!"), ("text/plain", "/w=="), ("", DATA)]
)
def test_what_is_no_text(kind: str, data: str) -> None:
    """Other media, broken base64 and bytes in no known script are not."""
    assert documents.text_of(kind, data) is None
    assert documents.text_of_url(f"data:{kind};base64,{data}") is None
    assert documents.text_of_url(3) is None


@pytest.mark.parametrize("named", [False, True])
def test_chat(named: bool) -> None:  # noqa: FBT001 - a parameter
    """A file of chat completions is text under its name, for whoever reads the call and for a server without files."""
    file: Fields = {"file_data": f"data:text/csv;base64,{DATA}"} | ({"filename": "t.csv"} if named else {})
    video: Fields = {"type": "video_url", "video_url": {"url": "u"}}
    call = chat({"model": "m", "messages": [{"role": "user", "content": [{"type": "file", "file": file}, video]}]})
    text = f"[file: t.csv]\n{WORDS}" if named else f"[file]\n{WORDS}"
    assert call.messages[0].parts == (Text(text), Text("[video_url]"))
    assert chat_request.encode(call, "m")["messages"][0]["content"] == [{"type": "text", "text": text}, video]


def test_responses() -> None:
    """A file of Responses is text under its name; a PDF stays a note."""
    part: Fields = {"type": "input_file", "filename": "t.csv", "file_data": f"data:text/csv;base64,{DATA}"}
    pdf: Fields = {**part, "file_data": f"data:application/pdf;base64,{DATA}"}
    parts = responses.parts_of(responses.user([part, pdf]))
    assert parts == (Text(f"[input_file: t.csv]\n{WORDS}"), Text("[input_file: t.csv]"))


def test_anthropic() -> None:
    """Documents and search results of Anthropic's are text under their titles, in messages and in results of tools."""
    blocks: list[Fields] = [
        {"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": DATA}},
        {"type": "document", "title": "T", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
        {"type": "search_result", "title": "T", "source": "u", "content": [{"type": "text", "text": "x"}]},
    ]
    expected = (Text(WORDS), Text("[document: T]\nx"), Text("[search_result: T]\nu\nx"))
    result: Fields = {"type": "tool_result", "tool_use_id": "a", "content": blocks}
    first, second = anthropic.decode(anthropic.body(*blocks, result)).messages
    assert first.parts == expected
    assert getattr(second.parts[0], "parts", None) == expected


@pytest.mark.parametrize("named", [False, True])
def test_google(named: bool) -> None:  # noqa: FBT001 - a parameter
    """Inline data of Google's that is text is text, in either alphabet of base64, under its name if it has one."""
    inline = {"mimeType": "text/csv", "data": DATA.replace("+", "-").rstrip("=")} | (
        {"displayName": "t"} if named else {}
    )
    body = {"contents": {"parts": {"inlineData": inline}}}
    request = Request(method="POST", path="/v1beta/models/m:generateContent", headers={})
    call = GoogleDialect().decode(request, json.dumps(body).encode())
    assert call.messages[0].parts == (Text(f"[inlineData: t]\n{WORDS}" if named else WORDS),)
