"""Tasks from files: TOML, JSONL, Parquet, and directories of ours and of Harbor's."""

from greenroom.engine.tasks.errors import TaskError
from greenroom.engine.tasks.load import load_tasks

__all__ = ["TaskError", "load_tasks"]
