"""Bodies that are almost good, made of the words that each dialect knows."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from greenroom.interception import dialects
from tests.fuzz.mutation import ODD, mutated


@cache
def vocabulary(name: str) -> list[str]:
    """Every short text in the source of this dialect: names of fields, kinds of things, paths."""
    room = Path(dialects.__file__).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted(room.glob(f"{name}*.py"))]
    found = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    words = sorted(word for word in found if isinstance(word, str) and 0 < len(word) < 40)
    assert len(words) > 20
    return words


def values(name: str) -> st.SearchStrategy[Any]:
    """Any JSON, with this dialect's words in it."""
    words = st.sampled_from(vocabulary(name) + ODD)
    numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=10)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=6), max_leaves=30
    )


def almost(good: Sequence[bytes], name: str) -> st.SearchStrategy[bytes]:
    """One of these bodies or streams of events, which are good, with a little of it replaced, added or gone."""
    return st.builds(mutated, st.sampled_from(good), st.randoms(), st.just(vocabulary(name)))


def anything(good: Sequence[bytes], name: str) -> st.SearchStrategy[bytes]:
    """Bytes, JSON, and what is almost good."""
    return st.binary(max_size=200) | values(name).map(lambda value: json.dumps(value).encode()) | almost(good, name)
