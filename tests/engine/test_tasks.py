"""Loading tasks: what is accepted, and that whatever is refused is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.engine.tasks import TaskError, load_tasks
from greenroom.engine.tasks.fields import check_task
from greenroom.specs import TaskSpec

GOOD = 'instruction = "Fix it."\n'


def put(root: Path, **files: str) -> None:
    """Write files; ``__`` in a name is a slash, and it ends in ``_toml``, ``_md``, ``_py`` or ``_jsonl``."""
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = root / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())


def problems(path: Path) -> tuple[str, ...]:
    """What is wrong with the tasks there, with paths relative to ``path``."""
    with pytest.raises(TaskError) as caught:
        load_tasks(path)
    return tuple(problem.replace(f"{path}/", "").replace(str(path), ".") for problem in caught.value.problems)


def test_single_task_file_is_named_after_the_file(tmp_path: Path) -> None:
    """A TOML file with a task at top level gives that task, its id the file's name."""
    put(tmp_path, fix_toml=GOOD + 'verify = ["true"]\nreward = "fraction"\ndeadline = 60\n[files]\n"a/b.py" = "x"\n')
    expected = TaskSpec(
        id="fix",
        instruction="Fix it.",
        verify=("true",),
        reward="fraction",
        deadline=60.0,
        files={"a/b.py": "x"},
        origin=str(tmp_path / "fix.toml"),
    )
    assert load_tasks(tmp_path / "fix.toml") == [expected]


def test_a_task_says_what_its_model_and_its_retries_may_take(tmp_path: Path) -> None:
    """`model_wait` and `retry_with` are read like the other limits, and refused below 0."""
    put(
        tmp_path, a_toml=GOOD + "model_wait = 90\nretry_with = 0.5\n", b_toml=GOOD + "model_wait = 0\nretry_with = 30\n"
    )
    assert [(task.model_wait, task.retry_with) for task in load_tasks(tmp_path)] == [(90, 0.5), (0, 30)]
    put(tmp_path, c_toml=GOOD + "model_wait = -1\nretry_with = -0.1\n")
    assert problems(tmp_path / "c.toml") == (
        ".: $.model_wait: -1.0 is no duration; allowed: seconds, 0 and more",
        ".: $.retry_with: -0.1 is no duration; allowed: seconds, 0 and more",
    )


def test_array_file_keeps_order_and_numbers_the_nameless(tmp_path: Path) -> None:
    """A TOML file with [[task]] tables gives them in order; those without an id are numbered from 1."""
    put(tmp_path, many_toml='[[task]]\ninstruction = "a"\n[[task]]\nid = "own"\ninstruction = "b"\n')
    assert [(task.id, task.instruction) for task in load_tasks(str(tmp_path / "many.toml"))] == [
        ("many-1", "a"),
        ("own", "b"),
    ]


def test_jsonl_is_one_task_per_line(tmp_path: Path) -> None:
    """A JSONL file gives one task per line; blank lines do not count, line separators in strings do not split."""
    put(tmp_path, set_jsonl='{"instruction": "a\u2028b"}\n\n{"id": "x", "instruction": "c", "max_turns": 3}\n')
    first, second = load_tasks(tmp_path / "set.jsonl")
    assert (first.id, first.instruction) == ("set-1", "a\u2028b")
    assert (second.id, second.max_turns) == ("x", 3)


def test_task_directory_takes_its_files_byte_for_byte(tmp_path: Path) -> None:
    """files/ and tests/ become files and verify_files, instruction.md the instruction, without touching a byte."""
    put(
        tmp_path,
        job__task_toml='verify = ["python3 -m unittest"]\n',
        job__instruction_md="Fix it.\r\n\n",
        job__files__pkg__a_py="x = 1\r\n",
        job__tests__test_py="import a\n",
        job__files____pycache___py="",
    )
    (tmp_path / "job/files/pkg/__pycache__").mkdir()
    (tmp_path / "job/files/pkg/__pycache__/a.pyc").write_bytes(b"\xff")
    (tmp_path / "job/README.txt").write_text("for people")
    (task,) = load_tasks(tmp_path / "job")
    assert task.id == "job"
    assert task.instruction == "Fix it.\r\n\n"
    assert task.files["pkg/a.py"] == "x = 1\r\n"
    assert "pkg/__pycache__/a.pyc" not in task.files
    assert task.verify_files == {"test.py": "import a\n"}


def test_directory_of_tasks_is_in_order_of_name(tmp_path: Path) -> None:
    """A directory mixes files and task directories, sorted by name; hidden entries and other files are left out."""
    put(tmp_path, c_toml=GOOD, a__task_toml=GOOD, b_jsonl='{"instruction": "x"}', notes_md="", _hidden__task_toml="?")
    (tmp_path / "_hidden").rename(tmp_path / ".hidden")
    assert [task.id for task in load_tasks(tmp_path)] == ["a", "b-1", "c"]


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """All problems of all files come in one error, each with file, field and what is allowed."""
    put(
        tmp_path,
        a_toml='instrution = "x"\nreward = "best"\nsetup = ["true", 3]\n',
        b_toml="= nothing",
        c_jsonl='{"instruction": "x"}\n[1]\n{"instruction": \n',
        d_toml=GOOD + "[files]\nx = 5\n",
    )
    allowed = ", ".join(name for name in TaskSpec.__struct_fields__ if name != "origin")
    found = problems(tmp_path)
    assert f"a.toml: $.instrution: unknown field; did you mean instruction? allowed: {allowed}" in found
    assert "a.toml: $.instruction: required, but missing" in found
    assert "a.toml: $.reward: Invalid enum value 'best'; allowed: all, fraction, file" in found
    assert "a.toml: $.setup[1]: Expected `str`, got `int`" in found
    assert "b.toml: not TOML: Invalid statement (at line 1, column 1)" in found
    assert "c.jsonl:2: not a JSON object: Expected `object`, got `array`" in found
    assert any(problem.startswith("c.jsonl:3: not a JSON object: ") for problem in found)
    assert "d.toml: $.files[...]: Expected `str`, got `int`" in found
    assert len(found) == 8


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('id = "a b"', "$.id"),
        ('id = "../up"', "$.id"),
        ('id = ""', "$.id"),
        ("deadline = 0", "$.deadline"),
        ("agent_timeout = nan", "$.agent_timeout"),
        ("verify_timeout = inf", "$.verify_timeout"),
        ("max_turns = 0", "$.max_turns"),
        ('verify = ["true", " "]', "$.verify[1]"),
        ('verify = "true"', "$.verify"),
        ('env = {"A=B" = "c"}', "$.env['A=B']"),
        ('files = {"/etc/passwd" = ""}', "$.files['/etc/passwd']"),
        ('files = {"a/../../b" = ""}', "$.files['a/../../b']"),
        ('verify_files = {".." = ""}', "$.verify_files['..']"),
        ('files = {"a//b" = ""}', "$.files['a//b']"),
        ('files = {"a" = "", "a/b" = ""}', "$.files['a/b']"),
        ("metadata = {big = 99999999999999999999}", "$.metadata"),
        ("metadata = {when = 2025-01-01}", "$.metadata"),
    ],
)
def test_bad_value_is_named_by_its_field(tmp_path: Path, text: str, field: str) -> None:
    """A value that cannot work is refused with the path of its field, before anything starts."""
    put(tmp_path, x_toml=f"{GOOD}{text}\n")
    (problem,) = problems(tmp_path)
    assert problem.startswith(f"x.toml: {field}")


def test_directories_are_meant_from_where_the_task_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative directory in a task's file does not depend on where greenroom is started; an absolute one stays."""
    upload = '{source = "data", target = ".", files = ["x"]}'
    solution = f'[solution]\ncommands = ["x"]\nuploads = [{upload}]\n'
    text = f'{GOOD}uploads = [{upload}]\n[environment]\nbuild = "image"\n{solution}'
    put(tmp_path, sub__x_toml=text, sub__y_toml=text.replace('"data"', '"/data"'))
    monkeypatch.chdir(tmp_path)
    first, second = load_tasks("sub")
    assert [found.source for found in (*first.uploads, *second.uploads)] == [f"{tmp_path}/sub/data", "/data"]
    assert first.environment is not None
    assert first.environment.build == f"{tmp_path}/sub/image"
    assert first.solution is not None
    assert first.solution.uploads[0].source == f"{tmp_path}/sub/data"


def test_duplicate_ids_name_both_places(tmp_path: Path) -> None:
    """Two tasks with one id are refused, and the error says where both are."""
    put(tmp_path, a_toml=GOOD + 'id = "same"\n', b_jsonl='{"id": "same", "instruction": "x"}\n')
    assert problems(tmp_path) == ("b.jsonl:1: $.id: 'same' is already the id of the task in a.toml",)


def test_key_and_file_for_the_same_thing_are_refused(tmp_path: Path) -> None:
    """An instruction given both as a key and as instruction.md is refused instead of guessed."""
    put(tmp_path, job__task_toml=GOOD, job__instruction_md="Other.")
    assert problems(tmp_path) == (
        "job/task.toml: $.instruction: given here and by job/instruction.md; only one of them may",
    )


def test_misspelt_directories_are_refused(tmp_path: Path) -> None:
    """A directory that would be silently ignored is refused: tests that never run are worse than none."""
    put(tmp_path, job__task_toml=GOOD, job__test__test_py="", other__tsk_toml=GOOD)
    assert problems(tmp_path) == (
        "job/test: not part of a task; allowed beside task.toml: files, tests, solution",
        "other: no task.toml in it",
    )


def test_binary_and_linked_files_are_refused(tmp_path: Path) -> None:
    """Files that are not UTF-8 text, and symbolic links that would carry host files along, are refused by name."""
    put(tmp_path, a__task_toml=GOOD, b__task_toml=GOOD)
    for name in "ab":
        (tmp_path / name / "files").mkdir()
    (tmp_path / "a/files/data.bin").write_bytes(b"ok\xff")
    (tmp_path / "b/files/hosts").symlink_to("/etc/hosts")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    assert problems(tmp_path) == (
        "a/files/data.bin: not UTF-8 text (byte 2)",
        "b/files/hosts: a symbolic link; tasks hold plain files only",
        "c.toml: not UTF-8 text (byte 0)",
    )


@pytest.mark.parametrize("name", ["empty", "nothing.toml", "nothing", "notes.txt"])
def test_path_without_tasks_is_an_error(tmp_path: Path, name: str) -> None:
    """An empty directory, a missing path and a file of another kind are errors that name the path, never no tasks."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(TaskError, match=rf"{name}: "):
        load_tasks(tmp_path / name)


@pytest.mark.long
@given(
    st.dictionaries(
        st.sampled_from(TaskSpec.__struct_fields__) | st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda children: st.lists(children) | st.dictionaries(st.text(), children),
        ),
    )
)
def test_any_table_is_a_task_or_a_list_of_problems(table: dict[str, object]) -> None:
    """Whatever a file says, checking gives a task or at least one problem with a field path, and never raises."""
    task, wrong = check_task(table)
    assert (task is None) == bool(wrong)
    assert all(problem.startswith("$.") for problem in wrong)
