"""Ways of the engine's own parts to fail, and of its owner to end things."""

from __future__ import annotations

from tests.world.blame.case import Case
from tests.world.blame.deeds import (
    crashed,
    engine_stopped,
    gives_up,
    group_cancelled,
    killed,
    rollout_cancelled,
    run_cancelled,
)

ATTEMPTS_ACTORS = {
    "sandbox": "actor_failed",
    "agent": "actor_failed",
    "mailbox": "actor_failed",
    "verifier": "verifier_crashed",
}
"""Actors of an attempt, and what their ends are to the page."""

HARMLESS = ("journal", "sandboxes", "console")
"""Parts whose restart costs a rollout nothing."""

_BY_ACTORS = tuple(
    Case(
        name=f"{actor} of an attempt {word} in {phase}",
        of="engine",
        phase=phase,
        deed=end(f"{{attempt}}/{actor}"),
        cause=cause,
    )
    for actor, cause in ATTEMPTS_ACTORS.items()
    for word, end in (("killed", killed), ("crashes", crashed))
    for phase in ("boot", "setup", "agent", "verify")
)

_BY_PARTS = tuple(
    Case(
        name=f"{part} {word}",
        of="engine",
        deed=end(f"/engine/{part}"),
        cause="finished",
        often=("once",),
    )
    for part in HARMLESS
    for word, end in (("killed", killed), ("crashes", crashed))
)

CASES = (
    *_BY_ACTORS,
    *_BY_PARTS,
    *(
        Case(
            name=f"interception {word}, with an agent that {asks}",
            of="engine",
            deed=end("/engine/interception"),
            cause=cause,
            agent=agent,
            at_call=True,
            often=("once",),
            on=("local", "docker"),
        )
        for word, end in (("killed", killed), ("crashes", crashed))
        for asks, agent, cause in (
            ("asks again", "patient", "finished"),
            ("gives up", "brittle", "model_out_of_reach"),
        )
    ),
    Case(name="attempt killed", of="engine", deed=killed("{attempt}"), cause="actor_failed"),
    Case(name="rollout killed", of="engine", deed=killed("{rollout}"), cause="rollout_lost", often=("once",)),
    Case(name="rollout crashes", of="engine", deed=crashed("{rollout}"), cause="rollout_lost", often=("once",)),
    Case(name="rollouts killed", of="engine", deed=killed("/engine/rollouts"), cause="rollout_lost", often=("once",)),
    Case(name="rollouts crash", of="engine", deed=crashed("/engine/rollouts"), cause="rollout_lost", often=("once",)),
    Case(
        name="run crashes",
        of="engine",
        deed=crashed("/engine/runs/run-1"),
        cause="rollout_lost",
        often=("once",),
        on=("simulated",),
    ),
    Case(
        name="runs crash",
        of="engine",
        deed=crashed("/engine/runs"),
        cause="rollout_lost",
        often=("once",),
        on=("simulated",),
    ),
    Case(name="engine crashes", of="engine", deed=crashed("/engine"), cause="rollout_lost", often=("once",)),
    *(
        Case(
            name=f"engine gives up {part}",
            of="engine",
            deed=gives_up(part),
            cause="rollout_lost",
            at_call=part == "interception",
            often=("once",),
        )
        for part in ("journal", "interception", "sandboxes")
    ),
    Case(
        name="engine gives up interception, and the agent never reaches it",
        of="engine",
        phase="setup",
        deed=gives_up("interception"),
        cause="rollout_lost",
        often=("once",),
        on=("simulated",),
    ),
    *(
        Case(name=f"{who} in {phase}", of="engine", phase=phase, deed=deed, cause="cancelled", often=("once",))
        for who, deed in (
            ("rollout cancelled", rollout_cancelled),
            ("group cancelled", group_cancelled),
            ("run cancelled", run_cancelled),
            ("engine stopped", engine_stopped),
        )
        for phase in ("boot", "setup", "agent", "verify")
    ),
)
