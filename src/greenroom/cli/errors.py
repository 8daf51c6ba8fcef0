"""What ends a command early, with the exit status and a text for a person."""

from __future__ import annotations

import click

from greenroom.introspection.render import escape


class Failed(click.ClickException):
    """It could not be done."""

    exit_code = 1

    def format_message(self) -> str:
        """The text, without what terminals obey: it may quote files and agents."""
        return "\n".join(escape(line) for line in self.message.splitlines())


class BadInput(Failed):
    """What was asked for makes no sense. Said before anything has started."""

    exit_code = 2
