"""What the demo shows where no sandbox can be sealed: the same engine, with sandboxes that exist in memory alone."""

from __future__ import annotations

import greenroom as gr
from greenroom.messages import Completion, ModelCall, Text

TASKS = [
    gr.TaskSpec(
        id=f"simulated-{number}",
        instruction="Work.",
        verify=("true",) if number % 4 else ("false",),
        agent_timeout=5.0,
    )
    for number in range(1, 9)
]
"""Every fourth one fails its verification."""
SANDBOX = gr.Simulated(boot=0.5, turn=1.0, turns=3, fault_rate=0.3, seed=7)
DEADLINE = 40.0
"""Seconds: time for a second attempt, and a third, that are as long as the first. An agent that hangs, as some of them
do on purpose, is ended by its own limit."""


async def model(call: ModelCall) -> Completion:
    """An answer; nobody reads it."""
    return Completion(parts=(Text(f"Turn {call.index}."),))
