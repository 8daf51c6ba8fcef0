"""``--sandbox``: ``local``, or with settings ``docker:memory=2g,pids=256``, made into a spec."""

from __future__ import annotations

from typing import Final, get_args, get_type_hints

import msgspec

from greenroom.cli.errors import BadInput
from greenroom.sandboxes.platform import why_not_here
from greenroom.specs import Docker, Local, SandboxSpec, Simulated

KINDS: Final[dict[str, type[SandboxSpec]]] = {"local": Local, "docker": Docker, "simulated": Simulated}
_WORDS: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def parse_sandbox(text: str, *, unsafe: bool = False, image: str | None = None) -> SandboxSpec:
    """The spec; ``unsafe`` and ``image`` are settings with options of their own.

    Raises:
        BadInput: It names the kind or setting, and what is allowed.
    """
    name, _, settings = text.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        raise BadInput(f"--sandbox {text}: unknown sandbox {name!r}; known are: {', '.join(KINDS)}")
    fields = dict(_pair(text, kind, part) for part in settings.split(",") if part)
    if unsafe:
        if "unsafe" not in kind.__struct_fields__:
            raise BadInput(f"--unsafe: a {name} sandbox has no isolation that could be given up")
        fields["unsafe"] = "true"
    if image is not None:
        if "image" not in kind.__struct_fields__:
            raise BadInput(f"--image: a {name} sandbox is not made of an image")
        fields["image"] = image
    try:
        spec = msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadInput(f"--sandbox {text}: {error}; {_allowed(name, kind)}") from None
    if reason := why_not_here(spec):
        raise BadInput(f"--sandbox {text}: {reason}")
    return spec


def _pair(text: str, kind: type[SandboxSpec], part: str) -> tuple[str, str]:
    field, equals, value = part.partition("=")
    field = field.strip().replace("-", "_")
    if not equals or field not in kind.__struct_fields__:
        problem = f"unknown setting {field!r}" if equals else f"{part!r} is no setting of the form name=value"
        raise BadInput(f"--sandbox {text}: {problem}; {_allowed(text.partition(':')[0], kind)}")
    return field, value.strip()


def _allowed(name: str, kind: type[SandboxSpec]) -> str:
    hints = get_type_hints(kind)
    fields = (f"{field} ({_word(hints[field])})" for field in kind.__struct_fields__)
    return f"settings of {name} are: {', '.join(fields)}"


def _word(hint: object) -> str:
    kinds = get_args(hint) or (hint,)
    return next((word for kind, word in _WORDS.items() if kind in kinds), str(hint))
