"""Why tasks cannot be used."""

from __future__ import annotations


class TaskError(Exception):
    """Tasks that cannot be used. ``problems`` has one line for each thing that is wrong, with file and field."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


class FileProblem(Exception):
    """One file, or all of a directory, that cannot be used."""
