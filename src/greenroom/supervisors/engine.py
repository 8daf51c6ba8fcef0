"""The tree of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from greenroom.actors.gateway import GatewayMaker
from greenroom.actors.interception import Interception
from greenroom.actors.journal import Journal, Keeper
from greenroom.actors.rollouts import Rollouts
from greenroom.actors.sandboxes import Sandboxes
from greenroom.actors.stage import Stage
from greenroom.kernel import Backoff, ChildSpec, Supervisor, System
from greenroom.supervisors.rollout import rollout

PATH = "/engine"
REST_SECONDS = 60.0
"""How long the engine does without a child that failed too often and that nothing else depends on."""
_INTENSITY = 10
_PERIOD_SECONDS = 60.0
_BACKOFF = Backoff(first=0.05, limit=5.0)


def engine(
    system: System, stage: Stage, keeper: Keeper, gateway: GatewayMaker, extra: Sequence[ChildSpec]
) -> ChildSpec:
    """The engine: what a rollout can outlive comes first and is restarted by itself; the rollouts come last.

    Args:
        system: For the addresses of siblings.
        stage: What all rollouts share.
        keeper: The journal's store.
        gateway: How agents reach their models.
        extra: More children, such as a console; they stop after the rollouts. No rollout needs them: one that fails too
            often is given up alone, for a while.
    """
    admission = partial(Rollouts, stage.board, partial(rollout, stage))
    journal = partial(Journal, keeper, stage.board, system.lookup(f"{PATH}/rollouts"))
    interception = partial(Interception, stage.routes, stage.doors, gateway)
    children = (
        ChildSpec("journal", journal, shutdown=30.0),
        ChildSpec("interception", interception, shutdown=15.0),
        ChildSpec("sandboxes", partial(Sandboxes, stage), shutdown=60.0),
        *(replace(spec, rest=REST_SECONDS) for spec in extra),
        ChildSpec("rollouts", admission),
        ChildSpec("runs", partial(Supervisor, strategy="dynamic")),
    )
    tree = partial(Supervisor, children, intensity=_INTENSITY, period=_PERIOD_SECONDS, backoff=_BACKOFF)
    return ChildSpec(PATH.strip("/"), tree, restart="temporary", start_timeout=120.0)
