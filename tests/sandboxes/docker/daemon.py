"""A Docker engine of a test's own, to be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Self

from greenroom.sandboxes.docker.address import find_engine
from greenroom.sandboxes.docker.cold import cold_client
from tests.sandboxes.docker import tree

PROGRAMS = ("unshare", "dockerd", "containerd", "runc", "iptables")


class Daemon:
    """One ``dockerd`` with a root of its own, beside a ``containerd`` that outlives it, as on servers. Needs root."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="gr-dockerd-", dir="/tmp"))  # a socket's path has to be short
        self.url = f"unix://{self.root}/s"
        self._log = (self.root / "log").open("wb")
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        config = self.root / "containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        argv = ["containerd", "--config", str(config), "--address", f"{self.root}/c"]
        argv += ["--root", f"{self.root}/cr", "--state", f"{self.root}/cs"]
        self._containerd = self._launch(argv, b"containerd successfully booted")
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self.end(signal.SIGTERM)
        if self._containerd is not None:
            self._finish(self._containerd, signal.SIGTERM)
        self._log.close()
        self._sweep()
        shutil.rmtree(self.root, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        # In a network of its own: it would take away the bridge of an engine that is there already.
        argv = ["unshare", "--net", "dockerd", "--data-root", f"{self.root}/d", "--exec-root", f"{self.root}/x"]
        argv += ["-H", self.url, "-p", f"{self.root}/pid", "--containerd", f"{self.root}/c"]
        argv += ["--bridge", "none", "--iptables=false", "--shutdown-timeout", "2"]
        self._process = self._launch(argv, b"API listen on")

    def end(self, number: signal.Signals) -> None:
        """End it with a signal, and wait until it has."""
        assert self._process is not None
        process, self._process = self._process, None
        self._finish(process, number)
        (self.root / "pid").unlink(missing_ok=True)

    def image(self) -> str:
        """The tests' image, there."""
        with closing(cold_client(find_engine(self.url))) as client:
            return tree.image(client)

    def _launch(self, argv: list[str], ready: bytes) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        last = b""
        for line in process.stderr:
            self._log.write(line)
            if ready in line:
                return process
            last = line
        process.stderr.close()
        process.wait()
        raise RuntimeError(f"{argv} did not start: {last.decode()}")

    def _finish(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        process.send_signal(number)
        assert process.stderr is not None
        for line in process.stderr:
            self._log.write(line)
        process.stderr.close()
        process.wait()

    def _sweep(self) -> None:
        """Whatever a killed engine has left running or mounted below the root."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if str(self.root).encode() in path.read_bytes():
                    os.kill(int(path.parent.name), signal.SIGKILL)
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(f"{self.root}/")]):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
