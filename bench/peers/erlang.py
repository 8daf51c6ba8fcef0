"""Erlang/OTP and the kernel in turns, an emulator for each of its laps: ``erlang.py BEAMS [--quick]``."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys

from _floor_messages import AsyncioMetal
from _kernel_ours import Kernel
from _laps import Samples, laps
from greenroom.kernel import System

_NODE = ("+S", "1:1", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-noshell")
"""One scheduler, as we have one thread, and no busy waiting, which would count as CPU time."""
_SECONDS = 600
_N = {"tell": 50_000, "call": 8_000, "leaves": 400, "restarts": 400}


def lap(beams: str, scale: str) -> dict[str, float]:
    """Its CPU seconds for each operation."""
    argv = ["erl", *_NODE, "-pa", beams, "-run", "otp_peer", "main", scale]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=True, stdin=subprocess.DEVNULL)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def contest(beams: str, *, quick: bool) -> Samples:
    """Both, in turns."""
    found: Samples = {key: [] for name in _N for key in (name, f"{name}.ours")}
    async with System() as system:
        kernel = await Kernel.start(system, AsyncioMetal())
        for _ in range(3 if quick else 7):
            for name, seconds in lap(beams, "5" if quick else "10").items():
                found[name].append(seconds)
                found[f"{name}.ours"] += (await laps({"ours": getattr(kernel, name)}, _N[name], 1))["ours"]
    return found


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(asyncio.run(contest(sys.argv[1], quick="--quick" in sys.argv))))
