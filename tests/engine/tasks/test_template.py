"""Data sets and templates become tasks."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.engine.tasks.template import Template

TEMPLATE = r"""
id = "{{ name }}-{{number}}"
instruction = "Solve {{ name }}: {{ meta.hint }}"
verify = "{{ checks }}"
setup = ["echo {{ name | sh }} > name"]
max_turns = "{{ number }}"
[files]
"{{ name }}.json" = "{{ meta | json }}"
[metadata]
split = "train"
number = "{{ number }}"
"""
ROW = {"name": "it's", "number": 3, "checks": ["true", "false"], "meta": {"hint": "look"}}


def put(root: Path, rows: list[dict[str, Any]], template: str = TEMPLATE) -> tuple[Path, Path]:
    """A data set and its template."""
    (root / "data.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (root / "template.toml").write_text(template)
    return root / "data.jsonl", root / "template.toml"


def test_rows_fill_a_template(tmp_path: Path) -> None:
    """Holes become texts or whole values, in every field; filters quote for shells and for JSON."""
    data, template = put(tmp_path, [{**ROW, "name": "a"}, {**ROW, "name": "b c", "number": 4}], TEMPLATE.replace(
        'id = "{{ name }}-{{number}}"', 'id = "t{{number}}"'
    ))  # fmt: skip
    first, second = load_tasks(data, template=template)
    assert (first.id, first.instruction, first.verify) == ("t3", "Solve a: look", ("true", "false"))
    assert (first.max_turns, first.files) == (3, {"a.json": '{"hint":"look"}'})
    assert first.metadata == {"split": "train", "number": 3}
    assert second.setup == ("echo 'b c' > name",)
    assert second.origin == f"{data}:2"


def test_text_from_a_row_cannot_leave_its_place_in_a_command(tmp_path: Path) -> None:
    """What a row says is one word of a shell command, whatever it holds, and is not searched for holes again."""
    template = 'instruction = "{{ name }}"\nsetup = ["echo {{ name | sh }}"]\n'
    data, path = put(tmp_path, [{"name": "'; rm -rf / #{{ name }}"}], template)
    (task,) = load_tasks(data, template=path)
    assert task.instruction == "'; rm -rf / #{{ name }}"
    assert task.setup == ("echo ''\"'\"'; rm -rf / #{{ name }}'",)


def test_ids_are_numbered_where_the_template_has_none(tmp_path: Path) -> None:
    """Tasks are named after the file and the line of their row."""
    data, template = put(tmp_path, [{"q": "a"}, {"q": "b"}], 'instruction = "{{ q }}"')
    assert [task.id for task in load_tasks(data, template=template)] == ["data-1", "data-2"]


def test_every_hole_that_stays_open_is_named(tmp_path: Path) -> None:
    """Missing columns and unknown filters are said with row, field and what there is; nothing is left out silently."""
    template = 'instruction = "{{ nam }} {{ name | md5 }}"\nverify = ["{{ a.b }}"]\n'
    data, path = put(tmp_path, [{"name": "x", "a": 1}], template)
    with pytest.raises(TaskError) as caught:
        load_tasks(data, template=path)
    assert caught.value.problems == (
        f"{data}:1: $.instruction of {path}: the row has no 'nam'; it has: name, a",
        f"{data}:1: $.verify[0] of {path}: the row has no 'a.b'; it has: name, a",
    )


def test_what_a_row_makes_of_the_template_is_checked(tmp_path: Path) -> None:
    """A value of the wrong type is refused by row and field, as in any task."""
    data, path = put(tmp_path, [{"q": "x", "n": "many"}], 'instruction = "{{ q }}"\nmax_turns = "{{ n }}"')
    with pytest.raises(TaskError, match=r"data.jsonl:1: \$\.max_turns: Expected `int \| null`, got `str`"):
        load_tasks(data, template=path)


@pytest.mark.parametrize(
    ("template", "says"),
    [('[[task]]\ninstruction = "x"', r"\$\.task: a template is one task"), ("= x", "not TOML")],
)
def test_a_wrong_template_is_refused(tmp_path: Path, template: str, says: str) -> None:
    """A template that is none is refused before any row is looked at."""
    data, path = put(tmp_path, [{"q": "x"}], template)
    with pytest.raises(TaskError, match=f"template.toml: {says}"):
        load_tasks(data, template=path)


def test_a_template_needs_a_data_set(tmp_path: Path) -> None:
    """A task file is no data set."""
    _, path = put(tmp_path, [], 'instruction = "x"')
    with pytest.raises(TaskError, match=r"not a task file; expected \.jsonl or \.parquet"):
        load_tasks(path, template=path)


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_any_text_is_filled_or_refused(text: str, row: dict[str, Any]) -> None:
    """Whatever template and row hold, there is a table or a problem, and nothing else is raised."""
    table, problems = Template(Path("t.toml"), {"instruction": text}).fill(row)
    assert "instruction" in table
    assert all(problem.startswith("$.instruction of t.toml: ") for problem in problems)


def parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write a Parquet file."""
    arrow: Any = import_module("pyarrow")
    writer: Any = import_module("pyarrow.parquet")
    writer.write_table(arrow.Table.from_pylist(rows), path)
    return path


def test_parquet_rows_are_tasks(tmp_path: Path) -> None:
    """A row is a task, or fills a template; what is null is not there."""
    rows: list[dict[str, Any]] = [
        {"id": "a", "instruction": "x", "verify": ["true"]},
        {"id": "b", "instruction": "y", "verify": None},
    ]
    first, second = load_tasks(parquet(tmp_path / "data.parquet", rows))
    assert (first.id, first.verify, second.verify) == ("a", ("true",), ())
    (tmp_path / "t.toml").write_text('id = "{{ id }}!"\ninstruction = "{{ instruction }}"')
    with pytest.raises(TaskError, match=r"data.parquet:2: \$\.id: 'b!' cannot be an id"):
        load_tasks(tmp_path / "data.parquet", template=tmp_path / "t.toml")


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """A file with the wrong content is named."""
    (tmp_path / "data.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(TaskError, match="not a Parquet file"):
        load_tasks(tmp_path / "data.parquet")


def test_the_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the error says what to install, and tasks of other kinds do not need it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "data.parquet").write_bytes(b"")
    with pytest.raises(TaskError, match=r"pip install 'pyarrow>="):
        load_tasks(tmp_path)
    (tmp_path / "data.parquet").rename(tmp_path / "data.jsonl")
    with pytest.raises(TaskError, match="no tasks in it"):
        load_tasks(tmp_path)
