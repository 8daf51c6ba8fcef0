"""Google: its dialect of OpenAPI 3.0 schemas, as JSON schemas.

Types are written in capitals, ``nullable`` stands beside the type, numbers of 64 bits are strings. The fields are those
of ``Schema`` in https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from typing import Any, cast

from greenroom.interception.dialects.google_names import renamed

_Fields = dict[str, Any]

_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_DROPPED = ("propertyOrdering", "nullable", "example")


def json_schema(schema: _Fields) -> _Fields:
    """The same as a JSON schema. What is no schema at its place is left as it is."""
    fields = renamed(schema)
    done = {name: _read(name, content) for name, content in fields.items() if name not in _DROPPED}
    return _nullable(done) if fields.get("nullable") is True else done


def _read(name: str, content: object) -> object:
    match name, content:
        case "type", str():
            return content.lower()
        case (("items" | "additionalProperties"), dict()):
            return json_schema(cast("_Fields", content))
        case "anyOf", list():
            return [_inner(item) for item in cast("list[object]", content)]
        case "properties", dict():
            return {key: _inner(item) for key, item in cast("_Fields", content).items()}
        case _, str() if name in _COUNTS and content.isdecimal():
            return int(content)
        case _:
            return content


def _inner(content: object) -> object:
    return json_schema(cast("_Fields", content)) if isinstance(content, dict) else content


def _nullable(schema: _Fields) -> _Fields:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
        if isinstance(schema.get("enum"), list):
            schema["enum"] = [*schema["enum"], None]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema
