"""Several processes share the tests (``-n``), and those that touch the world run when all others have ended.

Tests in virtual time go to whichever process is free. What is marked ``real_time``, and the documentation's examples,
run one after another in a single process, with nothing beside them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.plugins.tiers import PLAN, Plan

Worker = Any  # xdist has no types
Log = Any


def pytest_configure(config: pytest.Config) -> None:
    """Take part where pytest-xdist runs the tests: in the process that shares them out, and in the others."""
    given: dict[str, Any] = getattr(config, "workerinput", {})
    if "plan" in given:
        config.pluginmanager.register(_Worker(config, Path(given["plan"])), "worker's plan")
    elif config.getoption("dist", "no") != "no" and not config.option.collectonly:
        config.pluginmanager.register(_Sharing(config), "sharing")


class _Worker:
    """In a process that runs tests: leaves the plan for the one that shares them out."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.config = config
        self.path = path

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self) -> None:
        """Runs after the plan was made, and before the others hear of the collection."""
        self.path.write_bytes(msgspec.json.encode(self.config.stash[PLAN]))


class _Sharing:
    """In the process that shares the tests out."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.directory = tempfile.TemporaryDirectory(prefix="greenroom-tests-")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Worker) -> None:
        """Say where the plan is to be left."""
        node.workerinput["plan"] = str(Path(self.directory.name) / str(node.gateway.id))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Worker) -> None:
        """Read the plan; all are alike."""
        text = Path(node.workerinput["plan"]).read_bytes()
        self.config.stash[PLAN] = msgspec.json.decode(text, type=Plan)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Log) -> object:
        """Share tests out as this module says."""
        from tests.plugins.schedule import AloneLast

        return AloneLast(config, log)

    def pytest_unconfigure(self) -> None:
        """Remove the plans."""
        self.directory.cleanup()
