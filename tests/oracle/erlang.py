"""OTP's side: a resident Erlang node that runs one case after another."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.oracle.model import Case
from tests.oracle.trace import Moment

DRIVER = Path(__file__).with_name("driver.erl")


class Erlang:
    """Opened with ``with``; ends the node on leaving."""

    def __enter__(self) -> Self:
        self._dir = tempfile.TemporaryDirectory()
        subprocess.run(["erlc", "-o", self._dir.name, str(DRIVER)], check=True, timeout=60)
        # One scheduler: signals then arrive in the order in which they were sent.
        argv = ["erl", "+S", "1", "-noshell", "-pa", self._dir.name, "-s", "driver", "main"]
        self._node = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def run(self, case: Case) -> list[Moment]:
        """What OTP makes of the case."""
        stdin, stdout = self._node.stdin, self._node.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(case.term() + "\n")
        stdin.flush()
        return [Moment.of(step) for step in json.loads(stdout.readline())]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._node.communicate(timeout=10)  # end of input ends the node
        self._dir.cleanup()
