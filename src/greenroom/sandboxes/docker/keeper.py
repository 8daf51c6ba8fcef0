"""The first program of a container: it does nothing but end, in time.

It runs as a user of its own, so that no program of a rollout can touch it, and starts nothing. The container lives as
long as it does: until its time is over (exit 0), until the engine's heartbeat on its standard input stays away or the
connection is cut (exit 138), or until somebody kills it (137). `docker-init` above it reaps what others leave.
"""

from __future__ import annotations

import math

HEARTBEAT_SECONDS = 10.0
TOLERANCE_SECONDS = 45
"""A container outlives the last heartbeat of its engine by this much, the first one included."""
GRACE_SECONDS = 30
"""By how much it may outlive the end of its time, which the engine is the one to see to."""
EXPIRED = 0
DESERTED = 138
"""128 and SIGUSR1."""
KILLED = 137
"""128 and SIGKILL."""
STOPPED = 143
"""128 and SIGTERM, as from ``docker stop``."""

# Not every shell's `read` can wait with a limit; what has none can start `timeout`. Without either, only the cut
# connection counts.
_SCRIPT = """
exec 3<&0
(
  exec 0<&3 3<&-
  if (read -t 1 x </dev/null; [ $? -le 1 ]) 2>/dev/null; then
    while read -t "$1" x; do :; done
  elif command -v timeout >/dev/null; then
    while timeout "$1" sh -c 'read x'; do :; done
  else
    while read x; do :; done
  fi
  kill -USR1 $$
) &
exec sleep "$2" 3<&- </dev/null
"""


def command(seconds: float) -> list[str]:
    """Argv of a keeper whose container is to live for ``seconds`` at most."""
    life = math.ceil(seconds) + GRACE_SECONDS
    return ["/bin/sh", "-c", _SCRIPT, "greenroom-keeper", str(TOLERANCE_SECONDS), str(life)]
