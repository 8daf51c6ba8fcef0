"""What a user writes: frozen Structs, no behaviour."""

from greenroom.specs.agent import AgentSpec, Dialect, Invocation, Launch, NpmRecipe, PythonRecipe, Recipe
from greenroom.specs.model import Gate, Model, ModelSpec, Scripted, Upstream
from greenroom.specs.sandbox import Local, SandboxSpec, Simulated
from greenroom.specs.task import RewardRule, TaskSpec

__all__ = [
    "AgentSpec",
    "Dialect",
    "Gate",
    "Invocation",
    "Launch",
    "Local",
    "Model",
    "ModelSpec",
    "NpmRecipe",
    "PythonRecipe",
    "Recipe",
    "RewardRule",
    "SandboxSpec",
    "Scripted",
    "Simulated",
    "TaskSpec",
    "Upstream",
]
