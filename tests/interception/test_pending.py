from __future__ import annotations

import pickle

import msgspec
import pytest
from msgspec.structs import replace

from greenroom.interception.pending import PendingCall
from greenroom.messages import Completion, ModelCall

pytestmark = pytest.mark.anyio

CALL = ModelCall(id="c.0", rollout_id="r", task_id="t", sample=2, dialect="chat", model="m", messages=())


async def test_a_pending_call_is_a_model_call() -> None:
    """Whoever reads it finds what the agent asked, field by field; what can be done about it is not among them."""
    call = PendingCall.of(CALL)
    assert isinstance(call, ModelCall)
    assert {name: getattr(call, name) for name in ModelCall.__struct_fields__} == msgspec.structs.asdict(CALL)
    assert msgspec.json.encode(call) == msgspec.json.encode(CALL)
    assert call.request == CALL.request == CALL
    assert type(call.request) is ModelCall


async def test_calls_that_ask_the_same_are_not_the_same() -> None:
    """A set holds two pending calls of the same content: each has to be answered."""
    first, second = PendingCall.of(CALL), PendingCall.of(CALL)
    assert first != second
    assert len({first, second, first}) == 2


async def test_a_pickled_call_is_the_plain_one() -> None:
    """A call can be sent to another process, which gets what the agent asked."""
    assert pickle.loads(pickle.dumps(PendingCall.of(CALL))) == CALL  # noqa: S301 - pickled here


async def test_a_copy_cannot_be_answered() -> None:
    """Nobody waits for a copy that was made with other messages: answering it is an error, not silence."""
    call = PendingCall.of(CALL)
    copy = replace(call, messages=())
    with pytest.raises(TypeError, match="copy"):
        copy.reply(Completion())
    assert "a copy" in repr(copy)
    assert call.reply(Completion())
    assert not call.reply(Completion())
    assert call.ended
