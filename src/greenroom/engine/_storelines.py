"""``outcomes.jsonl``: what the database says, a line an outcome, for people who read along."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import structlog

from greenroom.engine._storefiles import CLOEXEC, write

_log = structlog.get_logger(__name__)

_SHOWN = 500
_MISSING = "SELECT seq, summary FROM outcome WHERE seq > ? ORDER BY seq"


class Lines:
    """The file, made to say what the database says, now and after each commit."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        """Raises `OSError` and `sqlite3.Error`."""
        self.lagging = False
        """It could not be written; the next `follow` makes up for it."""
        self._database = database
        self._written = 0
        self._file = os.open(path / "outcomes.jsonl", os.O_RDWR | os.O_CREAT | CLOEXEC, 0o644)
        try:
            self._repair()
        except BaseException:
            self.close()
            raise

    def follow(self) -> None:
        """Append the summaries that are missing. Its failure loses nothing, so it fails no commit."""
        end = os.lseek(self._file, 0, os.SEEK_END)
        try:
            for seq, summary in self._database.execute(_MISSING, (self._written,)):
                write(self._file, summary)
                end += len(summary)
                self._written = seq
        except (OSError, sqlite3.OperationalError):
            os.ftruncate(self._file, end)
            self.lagging = True
        else:
            self.lagging = False

    def close(self) -> None:
        """Not to be used any more."""
        os.close(self._file)

    def _repair(self) -> None:
        """Cut the file where it stops being what the database says, and write the rest.

        A last line that is not whole is what SIGKILL leaves; more than that has a reason somebody should know of.
        """
        good = 0
        with os.fdopen(os.dup(self._file), "rb") as lines:
            for seq, summary in self._database.execute(_MISSING, (0,)):
                if lines.read(len(summary)) != summary:
                    break
                good += len(summary)
                self._written = seq
        cut = os.pread(self._file, _SHOWN, good)
        if b"\n" in cut:
            _log.warning("outcomes_cut", file="outcomes.jsonl", begin=cut.decode(errors="replace"))
        os.ftruncate(self._file, good)
        self.follow()
