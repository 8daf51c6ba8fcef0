from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.sandboxes.registries import Registry, serving


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry that npm and pip are told to use, with empty caches and no settings of this machine's."""
    found = Registry()
    with ExitStack() as stack:
        found.close = stack.close
        stack.enter_context(serving(found))
        for name in ("PIP_FIND_LINKS", "PIP_CONSTRAINT", "PIP_EXTRA_INDEX_URL", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {
            "HOME": str(tmp_path / "home"),
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_INDEX_URL": f"{found.url}/simple",
            "PIP_RETRIES": "1",
            "npm_config_cache": str(tmp_path / "npm-cache"),
            "npm_config_fetch_retries": "0",
            "npm_config_registry": found.url,
        }.items():
            monkeypatch.setenv(name, value)
        yield found
