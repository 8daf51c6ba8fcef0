from __future__ import annotations

from functools import partial

import anyio
import pytest

from greenroom.sandboxes.install_process import InstallError
from greenroom.sandboxes.prefix import install
from greenroom.specs.agents import PI


@pytest.fixture(scope="session")
def pi_prefix() -> str:
    """Where pi is installed on this machine, once for all runs of the suite."""
    assert PI.recipe is not None
    try:
        return anyio.run(partial(install, PI.recipe, check=PI.check)).path
    except InstallError as error:
        pytest.skip(f"pi cannot be installed: {error}\n{error.log}")
