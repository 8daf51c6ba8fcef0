"""docker-py's client, of which engines are many and often none."""

from __future__ import annotations

import gc
import socket
from contextlib import closing
from pathlib import Path

import pytest
from docker.errors import DockerException

from greenroom.sandboxes.docker.address import Address
from greenroom.sandboxes.docker.cold import cold_client

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize("left", ["nothing", "a socket that nobody listens on", "a file"])
def test_where_no_engine_answers_nothing_stays_open(
    tmp_path: Path, left: str, recwarn: pytest.WarningsRecorder
) -> None:
    """Looking for an engine that is not there is one error, and leaves no socket behind."""
    path = tmp_path / "s"
    if left == "a file":
        path.touch()
    elif left != "nothing":
        with closing(socket.socket(socket.AF_UNIX)) as stale:
            stale.bind(str(path))
    with pytest.raises(DockerException, match="no Docker engine answers at unix://"):
        cold_client(Address(url=f"unix://{path}"))
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []
