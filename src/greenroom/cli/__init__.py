"""The command line: from argv to an engine, and to a running engine's console.

``app`` has every command with its options and nothing else; what a command does is imported when it runs, so that
``greenroom --help`` and ``greenroom ps`` load no engine.
"""

from __future__ import annotations

import signal
import sys

from greenroom.cli.streams import guarded

BAD_INPUT = 2
"""Exit status: what was asked for makes no sense, and nothing was started."""


def main() -> int:
    """Run the command line; the exit status is 0, 1 (failed), 2 (bad input), or 128 and the signal that ended it."""
    return guarded(_command)


def _command() -> int:
    try:
        import click

        from greenroom.cli.app import app
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("greenroom: the command line needs click: pip install 'click>=8.2' 'rich>=14.0'", file=sys.stderr)
        return BAD_INPUT
    try:
        return app(prog_name="greenroom", standalone_mode=False) or 0
    except click.Abort:
        return 128 + signal.SIGINT
    except click.ClickException as error:
        error.show()
        return error.exit_code
