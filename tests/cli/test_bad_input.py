from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from greenroom.cli.app import app

RUN = ("run", "tasks.toml", "--sandbox", "simulated", "--model", "scripted:model.toml")


def refused(*arguments: str) -> str:
    """Run a command that makes no sense; what it says, on one line."""
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agent", "claud"], ["--agent claud", "unknown agent 'claud'", "bash", "oracle"]),
        (["--agent", "simulated", "--sandbox", "local"], ["'simulated' runs in Simulated() sandboxes only"]),
        (["--sandbox", "dokcer"], ["unknown sandbox 'dokcer'", "local, docker, simulated"]),
        (["--sandbox", "local:imge=x"], ["unknown setting 'imge'", "root (text), unsafe (true or false)"]),
        (["--sandbox", "local:unsafe=maybe"], ["`bool`", "$.unsafe", "unsafe (true or false)"]),
        (["--sandbox", "simulated:turns=x"], ["`int`", "$.turns", "turns (a whole number)"]),
        (["--sandbox", "local:unsafe"], ["'unsafe' is no setting of the form name=value"]),
        (["--sandbox", "simulated", "--unsafe"], ["--unsafe", "no isolation"]),
        (["--model", "gpt-9"], ["--model gpt-9", "scripted:FILE"]),
        (["--model", "scripted:nowhere.toml"], ["nowhere.toml", "No such file"]),
        (["--model", "scripted:tasks.toml"], ["tasks.toml", "unknown field `task`", "allowed fields: script"]),
        (["--model", "http://"], ["not an address"]),
        (["--model", "http://127.0.0.1:x/v1"], ["not an address"]),
        (["--model", "http://127.0.0.1:1/v1"], ["--model-name is missing", "GREENROOM_MODEL"]),
        (["--model", "http://h/v1", "--model-name", "m", "--api-key-env", "NOT_SET"], ["NOT_SET", "not set"]),
        (["--task", "sovled"], ["--task sovled", "solved, failed"]),
        (["--samples", "0"], ["--samples", "0 is not in the range x>=1"]),
        (["--deadline", "0"], ["--deadline"]),
        (["--out", "model.toml/x"], ["--out", "model.toml", "choose"]),
        (["--sampels", "3"], ["--sampels", "--samples"]),
    ],
)
def test_a_wrong_option_is_named_with_what_is_allowed(place: Path, arguments: list[str], said: list[str]) -> None:
    """Exit status 2, the option and its value named, the allowed ones listed, and nothing on standard output."""
    text = refused(*RUN, *arguments)
    assert [part for part in said if part not in text] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--agent", "claud"],
        ["--agent", "simulated", "--sandbox", "local"],
        ["--model", "gpt-9"],
        ["--sandbox", "dokcer"],
        ["--task", "sovled"],
        ["--template", "nowhere.toml"],
        ["--ignore", "instruction"],
        ["--sandbox", "docker", "--image", "x"],
        ["--out", "model.toml/x"],
        ["--trials", "model.toml/x"],
        ["--trials", "new/trials", "--out", "model.toml/x"],
        ["--trials", "model.toml/x", "--out", "new/out"],
        ["--trials", "new", "--agent", "claud"],
        ["--trials", "new", "--sandbox", "docker", "--image", "x"],
        ["--model", "new.jsonl"],
    ],
    ids=" ".join,
)
def test_nothing_is_left_of_a_refused_run(place: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """A run that makes no sense makes no directory, whatever it is that makes none."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/no-docker.sock")
    before = set(place.rglob("*"))
    refused(*RUN, "--out", "new/results", *arguments)
    assert set(place.rglob("*")) == before


def test_without_docker_a_run_in_containers_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The option, where the engine was looked for, and what to do: for every command that would need containers."""
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place}/no-docker.sock")
    for command in (
        ("run", "tasks.toml", "--sandbox", "docker:image=x", "--model", "model.toml"),
        ("tasks", "check", "tasks.toml", "--sandbox", "docker:image=x"),
    ):
        said = refused(*command)
        assert "--sandbox docker" in said
        assert "no-docker.sock" in said
        assert "greenroom doctor" in said


@pytest.mark.parametrize("command", [("run",), ("tasks", "list"), ("tasks", "check")])
def test_the_first_thing_that_is_missing_is_named_first(place: Path, command: tuple[str, ...]) -> None:
    """A file of tasks that is not there is what is wrong, not the model or the sandbox that would come next."""
    said = refused(*command, "nosuch.toml", "--sandbox", "dokcer")
    assert "nosuch.toml: no such file or directory" in said
    assert "--model" not in said
    assert "dokcer" not in said


@pytest.mark.parametrize("command", [("run",), ("tasks", "list"), ("tasks", "check")])
@pytest.mark.parametrize(
    ("template", "problem"),
    [("nowhere.toml", "No such file"), ("broken.toml", "not TOML"), ("tasks.toml", "one task, at top level")],
)
def test_a_wrong_template_is_named_by_its_option(
    place: Path, command: tuple[str, ...], template: str, problem: str
) -> None:
    """Whatever is wrong with it, ``--template`` and its file are named."""
    (place / "rows.jsonl").write_text("{}\n")
    (place / "broken.toml").write_text("= 1")
    said = refused(*command, "rows.jsonl", "--template", template)
    assert f"--template {template}: " in said
    assert problem in said


def test_a_wrong_field_is_named_by_its_option(place: Path) -> None:
    """A field that tasks cannot do without is named together with ``--ignore``."""
    assert "--ignore: 'instruction'" in refused(*RUN, "--ignore", "instruction")


def test_a_wrong_task_is_named_with_file_and_field(place: Path) -> None:
    """All that is wrong with the tasks is said at once, each with its place."""
    (place / "wrong.toml").write_text('[[task]]\nid = "a"\ninstrution = "x"\n[[task]]\nid = "b c"\ninstruction = "x"\n')
    text = refused("run", "wrong.toml", "--model", "scripted:model.toml")
    assert "wrong.toml" in text
    assert "instrution" in text
    assert "b c" in text


def test_text_of_a_file_cannot_command_the_terminal(place: Path) -> None:
    """An error that quotes a file shows control characters instead of obeying them."""
    (place / "evil.toml").write_text('id = "\\u001b[31mred"\ninstruction = "x"\n')
    text = refused("run", "evil.toml", "--model", "scripted:model.toml")
    assert "\x1b" not in text
    assert "red" in text


def test_no_model_at_all_says_where_one_could_come_from(place: Path) -> None:
    """Without --model and without OPENAI_BASE_URL the error names both."""
    text = refused("run", "tasks.toml")
    assert "--model" in text
    assert "OPENAI_BASE_URL" in text


def test_a_key_in_the_address_is_refused_and_not_repeated(place: Path) -> None:
    """Keys belong into variables; the one that was given is not shown again."""
    text = refused("run", "tasks.toml", "--model", "http://me:sk-secret@h/v1", "--model-name", "m")
    assert "--api-key-env" in text
    assert "sk-secret" not in text
