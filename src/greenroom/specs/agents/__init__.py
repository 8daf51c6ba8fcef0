"""The agents that ship, one file each: a frozen spec and its command builder."""

from greenroom.specs.agents.bash import BASH
from greenroom.specs.agents.pi import PI
from greenroom.specs.agents.simulated import SIMULATED

BUILT_IN = (BASH, PI, SIMULATED)

__all__ = ["BASH", "BUILT_IN", "PI", "SIMULATED"]
