"""Why a run's store cannot be used, and what to do about it."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path


class StoreError(Exception):
    """The store of a run cannot be used. The text says what to do about it."""


class StoreLocked(StoreError):
    """Another engine works on this run."""


class StoreIncompatible(StoreError):
    """The directory holds something else, or a run of a greenroom with other tables."""


class StoreMissing(StoreError):
    """There is no run."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason


class StoreChanged(StoreError):
    """What is to be run is not what was begun there. The text shows what differs."""

    def __init__(self, path: Path | str, differences: Sequence[str], fields: Sequence[str]) -> None:
        shown = "".join(f"\n  {difference}" for difference in differences)
        allowed = ", ".join(repr(field) for field in fields)
        super().__init__(
            f"the run in {path} was begun otherwise:{shown}\n"
            f"choose another directory, or allow it: allow_changes=[{allowed}], "
            f"--allow-changes {','.join(fields)}"
        )
        self.path = str(path)
        self.fields = tuple(fields)
        """Those that differ."""


class StoreUnavailable(StoreError):
    """The disk is full, read-only or broken. A failed commit wrote nothing and may be tried again."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"cannot use the run in {path}: {reason}; {_remedy(reason)}")
        self.path = str(path)
        self.reason = reason


@contextmanager
def guard(path: Path) -> Generator[None]:
    """Turn what the operating system and SQLite say into `StoreUnavailable`. Defects pass."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(error.filename or path, error.strerror or str(error)) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(path, str(error)) from error


_REMEDIES = (
    ("full", "free some space there, nothing that was announced is lost"),
    (os.strerror(errno.ENOSPC).lower(), "free some space there, nothing that was announced is lost"),
    (os.strerror(errno.EDQUOT).lower(), "free some of your quota there, nothing that was announced is lost"),
    ("read", "choose a directory that can be written"),
    ("permission", "choose a directory that can be written"),
    ("not a directory", "choose another path"),
    ("exists", "choose another path"),
    ("locked", "close whatever else has its run.db open"),
    ("database", "choose another directory; what is readable of this one stands in outcomes.jsonl"),
    ("decode", "the other outcomes are not affected; outcomes.jsonl has this one's summary"),
)


def _remedy(reason: str) -> str:
    reason = reason.lower()
    return next((remedy for word, remedy in _REMEDIES if word in reason), "check the disk and its mount")
