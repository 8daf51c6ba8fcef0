from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from greenroom.introspection.plain import is_secret, plain


class Inner(Struct):
    password: str
    sizes: tuple[int, ...]


@dataclass
class Outer:
    inner: Inner
    env: dict[str, str]


class Mute:
    def __str__(self) -> str:
        raise ValueError


def test_structs_and_dataclasses_become_dicts() -> None:
    """Nested values are shown by their fields, secrets masked at every depth."""
    value = Outer(Inner("x", (1, 2)), {"OPENAI_API_KEY": "sk-1", "HOME": "/"})
    assert plain(value) == {
        "inner": {"password": "***", "sizes": [1, 2]},
        "env": {"OPENAI_API_KEY": "***", "HOME": "/"},
    }


@pytest.mark.parametrize(
    "name", ["key", "api_key", "apiKey", "OPENAI_API_KEY", "token", "authToken", "client_secret", "keys"]
)
def test_names_of_secrets_are_known(name: str) -> None:
    """However it is spelt, a key, token, secret or password is one."""
    assert is_secret(name)


@pytest.mark.parametrize("name", ["", "monkey", "prompt_tokens", "prompt_token_ids", "api_key_env", "keyboard"])
def test_names_of_other_things_are_no_secrets(name: str) -> None:
    """Counts of tokens, token ids and the names of variables are shown."""
    assert not is_secret(name)


def test_an_object_that_cannot_say_what_it_is_is_named() -> None:
    """A ``__str__`` that raises costs nothing but its text."""
    assert plain([Mute()]) == ["<Mute, whose text raised ValueError>"]


def test_an_unset_secret_is_shown_as_unset() -> None:
    """An empty key is no secret, and worth knowing."""
    assert plain({"key": None, "token": ""}) == {"key": None, "token": ""}


def test_what_never_ends_is_cut() -> None:
    """A value that contains itself many times over is cut in depth and in size."""
    endless: list[Any] = []
    endless += [endless] * 1000
    assert len(msgspec.json.encode(plain(endless))) < 200_000


def test_long_text_is_cut() -> None:
    """A text as long as a book says how long it was."""
    assert plain("x" * 10_000).endswith("... (10000 characters)")


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats()
        | st.text(st.characters())
        | st.binary(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner)
        ),
    )
)
def test_anything_becomes_json(value: object) -> None:
    """Whatever it is given, lone surrogates included, JSON can hold the result."""
    msgspec.json.decode(msgspec.json.encode(plain(value)))
