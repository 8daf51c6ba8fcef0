"""The files of pins are complete, hashed, free of addresses, and what `pyproject.toml` asks for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
RUN, TEST, DEV = "constraints-run.txt", "constraints-test.txt", "constraints.txt"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(file: str) -> dict[str, set[str]]:
    """Versions by package."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def group(name: str) -> Iterable[str]:
    """A dependency group, with those it includes."""
    for entry in PYPROJECT["dependency-groups"][name]:
        yield from [entry] if isinstance(entry, str) else group(entry["include-group"])


def asked_for(file: str) -> list[str]:
    """What the environment made from the file is to hold."""
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    if file == RUN:
        return [*project["dependencies"], *extras["cli"], *group("install")]
    every_extra = [requirement for extra in extras.values() for requirement in extra]
    return [*project["dependencies"], *every_extra, *group("test" if file == TEST else "dev")]


@pytest.mark.parametrize("file", [RUN, TEST, DEV])
def test_what_is_asked_for_is_pinned(file: str) -> None:
    """Each requirement of the project is met by a pin; otherwise `make lock` was forgotten."""
    pinned = pins(file)
    for text in asked_for(file):
        requirement = Requirement(text)
        versions = pinned[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in versions), text


@pytest.mark.parametrize(("small", "large"), [(RUN, TEST), (TEST, DEV)])
def test_a_larger_environment_holds_the_smaller_one(small: str, large: str) -> None:
    """The pins of the one are among those of the other, so that an environment only ever grows."""
    smaller, larger = pins(small), pins(large)
    assert {name: larger.get(name) for name in smaller} == smaller


@pytest.mark.parametrize("file", [RUN, TEST, DEV])
def test_every_pin_has_hashes_and_no_address(file: str) -> None:
    """Each line is an exact version, or one of its hashes; nothing says where it is to be had."""
    lines = (ROOT / file).read_text().splitlines()
    pin = re.compile(r"[a-z0-9._-]+==[^\s;]+( ; [^\\]+)? \\")
    assert [
        line for line in lines if not (pin.fullmatch(line) or re.fullmatch(r"    --hash=sha256:\w{64}( \\)?", line))
    ] == []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert not pin.fullmatch(line) or following.startswith("    --hash="), line
