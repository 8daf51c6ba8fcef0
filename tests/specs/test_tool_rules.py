"""What host tools have to be like."""

from __future__ import annotations

from typing import Any

import pytest

from greenroom.specs import HostTool
from greenroom.specs.tool_rules import check_tools


async def search(arguments: dict[str, Any], call: object) -> str:
    """Finds nothing."""
    return f"nothing about {arguments} for {call}"


def at_once(arguments: dict[str, Any], call: object) -> str:
    """Not async."""
    return f"{arguments}{call}"


def tool(name: str = "search", **fields: Any) -> HostTool:  # noqa: ANN401 - fields of all types
    """A tool that is fine but for these fields."""
    usual: dict[str, Any] = {"description": "Searches.", "parameters": {"type": "object"}, "run": search}
    return HostTool(name, **(usual | fields))


class Callable:
    """An object with an async call."""

    async def __call__(self, arguments: dict[str, Any], call: object) -> str:
        return ""


@pytest.mark.parametrize("name", ["a", "A-b_9", "x" * 64, "resets", "Close"])
def test_names_that_are_fine(name: str) -> None:
    """Letters, digits, underscores and hyphens, at most 64."""
    (checked,) = check_tools([tool(name, run=Callable())])
    assert checked.name == name


@pytest.mark.parametrize("name", ["", "a b", "a.b", "é", "x" * 65, "a\n", "a/b", "$(reboot)"])
def test_names_that_models_cannot_use(name: str) -> None:
    """Anything else is refused, with what is allowed."""
    with pytest.raises(ValueError, match="letters, digits, '_' and '-', at most 64"):
        check_tools([tool(name)])


@pytest.mark.parametrize("name", ["reset", "step", "state", "close"])
def test_verbs_of_control_are_reserved(name: str) -> None:
    """No agent can be given a tool that is called like what controls it."""
    with pytest.raises(ValueError, match="reserved"):
        check_tools([tool(name)])


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        ("search", TypeError, r"tools\[0\]: expected a HostTool, got str"),
        (tool(run=at_once), TypeError, r"tools\[0\].run: expected an async function"),
        (tool(seconds=0), ValueError, r"tools\[0\].seconds"),
        (tool(seconds=float("inf")), ValueError, r"tools\[0\].seconds"),
        (tool(parameters={"type": "string"}), ValueError, r"tools\[0\].parameters: expected the schema of an object"),
        (tool(parameters={"x": object()}), ValueError, r"tools\[0\].parameters: cannot be written as JSON"),
    ],
)
def test_tools_that_cannot_be_offered(wrong: HostTool, error: type[Exception], text: str) -> None:
    """What is wrong with a tool is said with its place."""
    with pytest.raises(error, match=text):
        check_tools([wrong])


def test_two_tools_of_one_name() -> None:
    """The model could not tell them apart."""
    with pytest.raises(ValueError, match=r"tools\[1\].name: two tools are called 'search'"):
        check_tools([tool(), tool()])
