from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.prefix import install
from greenroom.specs.agents import PI


@pytest.mark.real_time
@pytest.mark.agents
@pytest.mark.timeout(900)
def test_pi_is_installed_where_there_is_no_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's package index alone provides node and npm, pi runs on them, and pip is not kept."""
    assert PI.recipe is not None
    monkeypatch.setenv("PATH", "")
    with TemporaryDirectory() as root:  # some 300 MB, not to be kept as a test's temporary files are
        try:
            prefix = anyio.run(partial(install, PI.recipe, root=Path(root), check=PI.check)).path
        except InstallError as error:
            pytest.skip(f"pi cannot be installed without npm: {error}")
        argv = [part.replace("{prefix}", prefix) for part in PI.check]
        assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == "0.87.1\n"
        assert sorted(path.name for path in Path(prefix).iterdir()) == ["bin", "node_modules", "nodejs", "package.json"]
