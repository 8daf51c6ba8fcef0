"""Pins each peer and everything below it: ``python bench/peers/lock.py``.

Writes ``locks/NAME.txt`` for each: names, versions and hashes, never an address. A peer's own version is in the bench
that measures it; what is below it is the newest there is.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from _peers import KERNEL, PEERS, Peer

_UV = "uv==0.13.8"


def lock(uv: Path, peer: Peer) -> None:
    """Write the peer's lock."""
    oldest = ".".join(map(str, peer.python))
    argv = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", oldest, "--generate-hashes"]
    argv += ["--no-header", "--no-annotate", "--upgrade", "--output-file", peer.lock, "-"]
    wanted = "\n".join((f"{peer.name}=={peer.pin}", *KERNEL))
    subprocess.run(argv, input=wanted, text=True, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        python = Path(place, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", _UV], check=True)
        for peer in PEERS:
            print(f"{peer.name} {peer.pin}", flush=True)
            lock(python.with_name("uv"), peer)


if __name__ == "__main__":
    main()
