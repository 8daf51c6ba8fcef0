from __future__ import annotations

from pathlib import Path

import pytest

from greenroom.cli.model_option import parse_model
from greenroom.specs import Scripted, Upstream


def test_the_environment_completes_what_was_not_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, name and the name of the key's variable come from the usual variables; the key itself is not read."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("GREENROOM_MODEL", "tiny")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    spec = parse_model(None, None, None)
    assert spec == Upstream(base_url="http://127.0.0.1:1/v1", model="tiny", api_key_env="OPENAI_API_KEY")


def test_what_was_said_counts_more_than_the_environment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options win over variables."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("GREENROOM_MODEL", "tiny")
    monkeypatch.setenv("MY_KEY", "x")
    spec = parse_model("https://h/v1", "large", "MY_KEY")
    assert spec == Upstream(base_url="https://h/v1", model="large", api_key_env="MY_KEY")


def test_without_a_key_none_is_sent(place: Path) -> None:
    """A server that needs no key is asked without one."""
    spec = parse_model("http://127.0.0.1:8000/v1", "m", None)
    assert isinstance(spec, Upstream)
    assert spec.api_key_env is None


def test_a_script_is_found_from_anywhere(place: Path) -> None:
    """The path of a script is made absolute, as it is recorded with the run; its name says what it is."""
    assert parse_model("scripted:model.toml", None, None) == Scripted(str(place / "model.toml"))
    assert parse_model("model.toml", None, None) == Scripted(str(place / "model.toml"))
