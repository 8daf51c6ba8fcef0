"""What a user writes: frozen Structs, no behaviour."""

from greenroom.specs import scoring as _scoring
from greenroom.specs.agent import (
    AgentSpec,
    Delivery,
    Dialect,
    Invocation,
    Launch,
    NpmRecipe,
    Proof,
    PythonRecipe,
    Recipe,
    Timeout,
)
from greenroom.specs.agent_event import AgentEvent
from greenroom.specs.docker import Docker
from greenroom.specs.environment import Artifact, Collect, Environment, Healthcheck, Solution, Upload
from greenroom.specs.mcp_server import McpServer
from greenroom.specs.model import BlackBox, Gate, Model, ModelSpec, Scripted, Upstream
from greenroom.specs.sandbox import Local, SandboxSpec, Simulated
from greenroom.specs.scoring import Evidence, Reward, Scorer
from greenroom.specs.task import RewardRule, TaskSpec
from greenroom.specs.tool import HostTool

__all__ = [
    "AgentEvent",
    "AgentSpec",
    "Artifact",
    "BlackBox",
    "Collect",
    "Delivery",
    "Dialect",
    "Docker",
    "Environment",
    "Evidence",
    "Gate",
    "Healthcheck",
    "HostTool",
    "Invocation",
    "Launch",
    "Local",
    "McpServer",
    "Model",
    "ModelSpec",
    "NpmRecipe",
    "Proof",
    "PythonRecipe",
    "Recipe",
    "Reward",
    "RewardRule",
    "SandboxSpec",
    "Scorer",
    "Scripted",
    "Simulated",
    "Solution",
    "TaskSpec",
    "Timeout",
    "Upload",
    "Upstream",
]

# It names a class of a module that needs it first. Annotations are read at run time, by `help` for one.
_scoring.__dict__["TaskSpec"] = TaskSpec
