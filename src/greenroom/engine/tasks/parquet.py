"""Rows of a Parquet file. Needs the extra ``parquet``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from greenroom.engine.tasks.errors import FileProblem
from greenroom.engine.tasks.tree import Table


def parquet_rows(path: Path) -> Iterator[Table]:
    """One table a row, nulls left out.

    Raises:
        FileProblem: It is no Parquet file, or the extra is missing.
        OSError: It cannot be read.
    """
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if value is not None}
    except arrow.ArrowException as error:
        raise FileProblem(f"{path}: not a Parquet file: {error}") from error


def _pyarrow() -> tuple[Any, Any]:
    """The library and its part for Parquet, whose types are not known to the checkers."""
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if error.name not in {"pyarrow", "pyarrow.parquet"}:
            raise
        raise FileProblem("Parquet files need pyarrow: pip install 'pyarrow>=21'") from error
