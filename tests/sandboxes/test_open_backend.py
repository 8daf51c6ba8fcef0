"""From a spec to a backend."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from greenroom.sandboxes import SandboxError, open_backend
from greenroom.specs import Local, SandboxSpec, Simulated

pytestmark = [pytest.mark.anyio, pytest.mark.real_time]


class Unheard(SandboxSpec, frozen=True, kw_only=True):
    """A spec nobody serves."""


@pytest.mark.needs("bwrap")
async def test_known(tmp_path: Path) -> None:
    """Each spec opens its backend."""
    for spec, name in ((Local(root=str(tmp_path)), "LocalBackend"), (Simulated(), "SimulatedBackend")):
        backend = await open_backend(spec)
        assert type(backend).__name__ == name
        await backend.close()


async def test_unknown() -> None:
    """A spec nobody serves is an error that names it."""
    with pytest.raises(SandboxError, match="Unheard") as caught:
        await open_backend(Unheard())
    assert caught.value.kind == "unknown_sandbox"


def test_lazy() -> None:
    """Importing the protocol loads no backend."""
    program = "import sys, greenroom.sandboxes as s; print([m for m in sys.modules if m.startswith(s.__name__ + '.')])"
    source = str(Path(sys.modules["greenroom.sandboxes"].__file__ or "").parents[2])
    said = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    ).stdout
    assert said.strip() == "['greenroom.sandboxes.base']"
