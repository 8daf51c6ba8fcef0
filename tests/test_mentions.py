"""Whatever the pages, the messages, `doctor` and the settings mention is there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import greenroom
from greenroom.cli.app import app
from greenroom.engine import Engine
from greenroom.kernel import System
from tests.house import commands, installs, names, texts

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
PAGES = [ROOT / "README.md", ROOT / "AGENTS.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MESSAGES = {path: "\n\n".join(texts.literals(path.read_text())) for path in SOURCES}
TEXTS = {path: path.read_text() for path in PAGES} | MESSAGES
COMMAND_LINE = {path: text for path, text in MESSAGES.items() if {"cli", "tasks"} & set(path.parts)}
"""Messages of the command line, in which every option is one of ours."""

NO_MODULES = {
    "greenroom.agents": "the group of entry points",
    "greenroom.log": "a file of a run",
}
RECEIVERS = {"engine": Engine, "system": System}
"""What the pages call their objects."""

BUILDS = ["Makefile", ".ci/run", ".ci/docker"]
"""Files beside the Python code that read our environment variables."""


def findings(look: Callable[[str], Collection[str]], paths: Iterable[Path] = TEXTS) -> dict[str, Collection[str]]:
    """Return what a look finds, by file."""
    found = {str(path.relative_to(ROOT)): look(TEXTS[path]) for path in paths}
    return {path: faults for path, faults in found.items() if faults}


def targets() -> set[str]:
    """Return what `make` can be asked for."""
    rules = re.findall(r"^([a-z][a-z -]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def pages() -> str:
    """Return all pages as one text."""
    return "\n".join(TEXTS[path] for path in PAGES)


# ---------------------------------------------------------------------------------------------- the command line


def test_commands_and_their_options_exist() -> None:
    """Every `greenroom X --y` that a page or a message shows can be typed."""
    assert findings(lambda text: commands.faults(text, app)) == {}


def test_options_shown_alone_exist(pytestconfig: pytest.Config) -> None:
    """Every option that a page shows without its command, or a message of the command line has, belongs to one."""
    known = commands.options(app)
    tests = {name for action in pytestconfig._parser.optparser._actions for name in action.option_strings}
    assert findings(lambda text: commands.lone_options(text) - known - tests, PAGES) == {}
    assert findings(lambda text: commands.all_options(text) - known, COMMAND_LINE) == {}


def test_every_command_is_on_its_page() -> None:
    """The page about the command line has every command."""
    shown = {words for line in commands.shown(TEXTS[ROOT / "docs" / "cli.md"]) for words in names.prefixes(line)}
    assert shown >= set(names.commands(app))


@pytest.mark.real_time
def test_doctor_speaks_of_what_is_there() -> None:
    """The commands and options in `greenroom doctor` exist, and its extras are those of pyproject.toml."""
    said = CliRunner().invoke(app, ["doctor"]).stdout
    assert commands.faults(said, app) == []
    assert commands.all_options(said) <= commands.options(app)
    assert set(re.findall(r"^\w+ +extra ([\w-]+)", said, re.MULTILINE)) == set(EXTRAS)


@pytest.mark.parametrize(
    "text",
    [
        "`greenroom dash`",
        "`greenroom run tasks/ --gpu 1`",
        "```console\n$ greenroom run tasks/ --gpus=4   # more\n```",
        "`greenroom ps`, `top` and `tree`",
        "``greenroom ps``, ``tree [PATH]`` or ``top``",
        "`greenroom tasks mend PATH`",
        "without isolation: greenroom run --insecure",
        "see\n`greenroom\ntop`",
        "`greenroom -v`",
    ],
)
def test_a_command_that_is_not_there_is_found(text: str) -> None:
    """Commands, subcommands and options are looked at, in spans, blocks, lists and messages."""
    assert commands.faults(text, app)


@pytest.mark.parametrize(
    "text",
    [
        "`greenroom` runs agents --- thousands",
        "`greenroom run tasks/ --out=runs/x --agent pi | less -R`",
        "`greenroom ps`, `tree [PATH]` and `engine.set`",
        "`greenroom tasks check PATH --help`",
        "see `greenroom run ... --trials DIR`",
        "```text\ngreenroom.log\n```",
    ],
)
def test_a_command_that_is_there_is_fine(text: str) -> None:
    """What can be typed is left in peace."""
    assert commands.faults(text, app) == []


# -------------------------------------------------------------------------------------- names, files and targets


def test_public_names_exist() -> None:
    """Every `gr.Name`, `greenroom.module.Name`, `engine.verb` and `system.verb` in a page or a message is there."""
    assert findings(lambda text: names.unknown(text, set(NO_MODULES), RECEIVERS)) == {}


def test_names_that_are_no_modules_are_still_mentioned() -> None:
    """The exceptions are few, and each is needed."""
    assert all(name in pages() for name in NO_MODULES)


def test_files_exist() -> None:
    """Every file of the repository that a page names is there."""
    assert findings(lambda text: [name for name in names.files(text) if not (ROOT / name).exists()], PAGES) == {}


def test_links_lead_somewhere() -> None:
    """Every file that a page links to is there, and has the heading, if one is named."""
    for page in PAGES:
        for target, fragment in texts.links(TEXTS[page]):
            there = page.parent / target if target else page
            assert there.exists(), f"{page}: {target}"
            assert not fragment or fragment in texts.fragments(there.read_text()), f"{page}: #{fragment}"


def test_make_targets_exist() -> None:
    """Whatever a page tells people to make can be made."""
    assert findings(lambda text: names.made(text) - targets(), PAGES) == {}


def test_pages_have_a_place_in_the_navigation() -> None:
    """Every page is in the navigation, and nothing else is."""
    nav = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(nav) == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))


def test_the_rooms_are_those_that_are_there() -> None:
    """The diagram of the house and AGENTS.md have the layers that `make check` enforces, and each is a directory."""
    layers = PROJECT["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = {room for layer in layers for room in re.findall(r"\w+", layer)} - {"__main__"}
    assert rooms == {path.name for path in (ROOT / "src/greenroom").iterdir() if path.is_dir() and path.name[0] != "_"}
    house = TEXTS[ROOT / "docs" / "house.md"].partition("```text\n")[2].partition("```")[0]
    assert [re.split(r" {2,}", line)[0] for line in house.splitlines()] == layers[1:]
    assert list(texts.code(TEXTS[ROOT / "AGENTS.md"].partition("enforces it:")[2].partition(".")[0])) == layers[1:]


@pytest.mark.parametrize(
    "text",
    [
        "`gr.Manager`",
        "```python\nimport greenroom as gr\ngr.Manager()\n```",
        "see `greenroom.integrations`",
        "``greenroom.specs.Manager``",
        "`greenroom.messages.Turn.nothing`",
        "`await engine.dance(8)`",
        "`system.dance(ref)`",
    ],
)
def test_a_name_that_is_not_there_is_found(text: str) -> None:
    """Names are looked up wherever code shows them."""
    assert names.unknown(text, set(), RECEIVERS)


def test_a_file_or_target_that_is_not_there_is_found() -> None:
    """Files and targets are seen in spans and blocks."""
    assert names.files("`python bench/nothing.py` and ``src/greenroom/integrations/``") == [
        "bench/nothing.py",
        "src/greenroom/integrations/",
    ]
    assert names.made("`make world N=3`\n```console\n$ make peace\n```\nwe make do") == {"world", "peace"}


# ------------------------------------------------------------------------------------------ environment variables


def code_variables() -> set[str]:
    """Return the variables that are set or read in code: all in the package, those that are read elsewhere."""
    found = set[str]()
    for path in [*SOURCES, *(ROOT / "examples").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]:
        found |= names.variables("\n".join(texts.literals(path.read_text())))
    for folder in ("tests", "bench"):
        found = found.union(*(names.read_variables(path.read_text()) for path in (ROOT / folder).rglob("*.py")))
    return found.union(*(names.variables((ROOT / name).read_text()) for name in BUILDS))


def test_variables_are_documented_and_documented_ones_exist() -> None:
    """The environment variables of the pages are those of the code."""
    assert names.variables(pages()) == code_variables()


def test_a_variable_that_is_read_is_found() -> None:
    """Reading is seen in each way to do it, setting and mere text are not."""
    source = """
os.environ["GREENROOM_A"], os.environ.get("GREENROOM_B"), os.getenv("GREENROOM_C", "GREENROOM_X")
environ.get("GREENROOM_D", "")
"GREENROOM_E" in os.environ
patch.setenv("GREENROOM_Y", "1")
"""
    assert names.read_variables(source) == {f"GREENROOM_{letter}" for letter in "ABCDE"}


# ----------------------------------------------------------------------------------------------------- installing


def shipped() -> Iterator[Path]:
    """Yield every text that may tell somebody what to install."""
    yield from [*PAGES, ROOT / "Makefile", ROOT / "mkdocs.yml", *SOURCES, *(ROOT / ".ci").iterdir()]
    yield from (path for path in (ROOT / "examples").rglob("*") if path.suffix in {".py", ".md", ".toml"})


def test_nobody_is_told_to_install_a_name_that_anybody_could_register() -> None:
    """Wherever something says how to install greenroom, it is by the path of a clone or a wheel."""
    assert {str(path): found for path in shipped() if (found := installs.faults(path.read_text()))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "pip install greenroom",
        "pip install 'greenroom[cli]'",
        'python -m pip install -U "greenroom[cli]==0.1.0"',
        "uv pip install greenroom>=0.1",
        "uv tool install greenroom",
        "uv tool install --python 3.12 'greenroom[cli]'",
        "uv add greenroom",
        "uv tool run greenroom",
        "uvx greenroom run tasks/",
        "uv run --with greenroom python",
        "pipx install greenroom",
        "pipx run greenroom",
        "pip install anyio greenroom",
        "the extra greenroom[cli] has it",
        "pip download greenroom==0.1.0",
        "poetry add greenroom",
    ],
)
def test_advice_to_install_by_name_is_found(text: str) -> None:
    """Every installer, spelling, version and extra is caught."""
    assert installs.faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install '.[cli]'",
        "pip install ./dist/greenroom-0.1.0-py3-none-any.whl",
        "pip install './dist/greenroom-0.1.0-py3-none-any.whl[cli]'",
        "$ pip install '.[cli]'     # in a clone: greenroom is on no package index yet",
        "uv tool install '.[cli]' puts `greenroom` on the PATH",
        "pip install 'click>=8.2'",
        "`pip install -e .`, then greenroom works",
        "$ greenroom run tasks/",
        "bash .ci/run; greenroom",
        "pip install . and run greenroom",
    ],
)
def test_advice_to_install_a_path_is_fine(text: str) -> None:
    """Paths and other libraries are left in peace."""
    assert installs.faults(text) == []


def test_missing_libraries_are_named_as_pyproject_has_them() -> None:
    """What a message says to install is what an extra asks for, ranges included."""
    asked = {requirement for requirements in EXTRAS.values() for requirement in requirements}
    advised = {
        requirement
        for text in MESSAGES.values()
        for advice in re.findall(r"pip install ((?:'[^'{]+' ?)+)", text)
        for requirement in re.findall(r"'([^']+)'", advice)
    }
    assert advised
    assert advised <= asked


def test_wheels_on_the_pages_have_our_version() -> None:
    """The wheel's name on a page is the one that a build makes."""
    wheels = set(re.findall(r"greenroom-([\w.]+)-py3", pages()))
    assert wheels == {greenroom.__version__}


def test_the_pages_list_the_extras_there_are() -> None:
    """README's table has each extra, the command line's page names each, and no page names another."""
    table = TEXTS[ROOT / "README.md"].partition("## Extras")[2]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == sorted(EXTRAS)
    installing = TEXTS[ROOT / "docs" / "cli.md"].partition("## Installing")[2].partition("\n## ")[0]
    assert all(f"`{extra}`" in installing for extra in EXTRAS)
    named = {extra for text in TEXTS.values() for extra in re.findall(r"\bextra `+([\w-]+)`", text)}
    written = {
        extra
        for text in TEXTS.values()
        for list_ in re.findall(r"\.(?:whl)?\[([a-z,-]+)\]'", text)
        for extra in list_.split(",")
    }
    assert named | written <= set(EXTRAS)
