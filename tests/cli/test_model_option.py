from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from greenroom.cli.errors import BadInput
from greenroom.cli.model_option import parse_model
from greenroom.engine.store import RunStore
from greenroom.specs import Scripted, Upstream
from tests.cli.process import greenroom


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


@pytest.mark.real_time
@pytest.mark.long
@pytest.mark.parametrize("model", ["done", "done/outcomes.jsonl", "scripted:done", "made.jsonl", "scripted:made.jsonl"])
def test_a_recorded_run_is_a_model(place: Path, model: str) -> None:
    """A run's directory, its summary, and a file of outcomes are replayed from the command line."""
    sandbox = ("--sandbox", "simulated:boot=0,turn=0", "--json")
    with greenroom("run", "tasks.toml", *sandbox, "--model", "model.toml", "--out", "done") as run:
        assert run.rest()[0] == 0
    with RunStore.open("done") as store:
        (place / "made.jsonl").write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in store.outcomes()))
    with greenroom("run", "tasks.toml", *sandbox, "--model", model, "--out", "again") as run:
        status, _, said = run.rest()
    assert status == 0, said
    with RunStore.open("again") as store:
        assert {outcome.turns[0].completion.text for outcome in store.outcomes()} == {"there"}


@pytest.mark.parametrize("model", ["empty", "scripted:empty", "scripted:nowhere.jsonl", "summary.jsonl"])
def test_what_cannot_be_replayed_is_refused(place: Path, model: str) -> None:
    """A directory that is no run, and files that hold no outcomes, are named with the option."""
    (place / "empty").mkdir()
    (place / "summary.jsonl").write_text('{"attempts": [{"turns": 3}]}\n')
    with pytest.raises(BadInput) as refused:
        parse_model(model, None, None)
    assert "--model" in str(refused.value)
    assert model.removeprefix("scripted:") in str(refused.value)
