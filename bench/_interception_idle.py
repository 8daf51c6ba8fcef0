"""What rollouts that wait for their agents take, and what they take from one that does not."""

from __future__ import annotations

import time
from contextlib import ExitStack

from _interception_lane import Lane
from _laps import Samples


class Sizes:
    """How much of everything."""

    def __init__(self, *, quick: bool) -> None:
        self.count = 2_000 if quick else 10_000
        self.seconds = 1.0 if quick else 3.0
        self.laps = 3 if quick else 7
        self.calls = 64


def idle(url: str, name: str, sizes: Sizes, model: str) -> Samples:
    """Bytes of an idle rollout, wakeups a second of all of them, and CPU seconds of a call with and without them.

    ``model`` is ``gate``, as an engine has them, or ``desk``, with a task that waits at the desk of each.
    """
    with ExitStack() as stack:
        alone, among = (Lane.ours(stack, url, "desk") for _ in range(2))
        for lane in (alone, among):
            lane.enter(1, "whole")
        before = among.resident()
        among.open(count=sizes.count, model=model)
        size = (among.resident() - before) / sizes.count
        woken = among.wakeups()
        time.sleep(sizes.seconds)
        found: Samples = {
            f"{name}.bytes": [size],
            f"{name}.each_second.wakeups": [(among.wakeups() - woken) / sizes.seconds],
            f"{name}.among": [],
            f"{name}.alone": [],
        }
        for _ in range(sizes.laps):
            found[f"{name}.alone"].append(alone.lap(sizes.calls)[0])
            found[f"{name}.among"].append(among.lap(sizes.calls)[0])
    return found
