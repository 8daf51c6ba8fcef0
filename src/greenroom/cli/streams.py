"""Standard input, output and error of the command line, whatever they are: closed, a broken pipe, a full disk."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_FAILED: Final = 1


class WriteFailed(Exception):
    """Standard output does not take what is written. No `OSError`, so that nobody takes it for one of a file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output: {error.strerror}")
        self.broken = error.errno == errno.EPIPE
        """Its reader has gone away."""


class _Out(io.FileIO):
    """Standard output, whose errors are told from all others."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise WriteFailed(error) from error


class _Err(io.FileIO):
    """Standard error: where it takes nothing, nobody can be told."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def guarded(command: Callable[[], int]) -> int:
    """Run a command on streams that are there, and that fail in an orderly way; its exit status.

    What was closed is as if it were ``/dev/null``: else the next file that is opened would take its place. A reader of
    standard output that goes away ends the command in silence, with the status of one that was ended by SIGPIPE; any
    other failure is a sentence, and status 1.
    """
    _fill()
    # Whoever has put something else in their place, to capture it, keeps that.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(sys.stdout, _Out(1, "w", closefd=False))
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(sys.stderr, _Err(2, "w", closefd=False))
    try:
        status = command()
        sys.stdout.flush()
    except WriteFailed as failed:
        silence()
        if failed.broken:
            return 128 + signal.SIGPIPE
        print(f"greenroom: {failed}", file=sys.stderr, flush=True)
        return _FAILED
    return status


def silence() -> None:
    """Let what was not written yet go where it harms nobody."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fill() -> None:
    """Open what is closed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free


def _text(before: TextIO | None, raw: io.FileIO) -> io.TextIOWrapper:
    """Text as before, over other bytes."""
    if before is not None:
        before.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors=getattr(before, "errors", None) or "backslashreplace",
        line_buffering=raw.isatty() or raw.fileno() == 2,  # noqa: PLR2004 - standard error
    )
