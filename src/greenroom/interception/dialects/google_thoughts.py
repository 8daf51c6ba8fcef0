"""Google: reasoning that travels with the call of a function it led to.

The API signs such a call with what only it can read: the thoughts behind it. Agents send the signature back even where
they drop the thoughts, or never asked to see any. Ours holds the reasoning as it is, and so the model's owner gets
back what the model thought.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from greenroom.interception.dialects.google_names import decoded, encoded
from greenroom.messages import Thinking

_Fields = dict[str, Any]


class _Carried(Struct, frozen=True, forbid_unknown_fields=True):
    thought: str
    signature: str | None


def carried(thoughts: Sequence[Thinking]) -> str:
    """The signature that holds ``thoughts``."""
    content = _Carried("".join(thought.text for thought in thoughts), thoughts[-1].signature)
    return encoded(msgspec.json.encode(content).decode())


def brought(fields: _Fields) -> Thinking | None:
    """The reasoning in the signature of a part, which is taken out; ``None`` when it is somebody else's."""
    signature = fields.get("thoughtSignature")
    if not isinstance(signature, str):
        return None
    try:
        content = msgspec.json.decode(decoded(signature).encode(), type=_Carried)
    except (ValueError, RecursionError):
        return None
    del fields["thoughtSignature"]
    return Thinking(content.thought, content.signature, redacted=not content.thought)
