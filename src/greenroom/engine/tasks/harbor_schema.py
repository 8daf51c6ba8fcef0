"""What Harbor's ``task.toml`` may say, schema versions up to 1.4, and what greenroom makes of each field.

Every field of that schema is here. Those that greenroom does not honour are named in ``REFUSED`` or in `harbor`, with
the reason, so that a task that needs them is refused instead of run as another task.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

NetworkMode = Literal["public", "no-network", "allowlist"]


class HealthcheckTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[environment.healthcheck]``; durations are seconds."""

    command: str
    interval_sec: float = 5.0
    timeout_sec: float = 30.0
    start_period_sec: float = 0.0
    start_interval_sec: float = 5.0
    retries: int = 3


class EnvironmentTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[environment]`` and ``[verifier.environment]``."""

    build_timeout_sec: float = 600.0
    docker_image: str | None = None
    os: str = "linux"
    cpus: float | None = None
    memory_mb: int | None = None
    storage_mb: int | None = None
    memory: str | None = None
    storage: str | None = None
    gpus: int | None = None
    gpu_types: list[str] | None = None
    tpu: dict[str, Any] | None = None
    env: dict[str, str] = field(default_factory=dict[str, str])
    workdir: str | None = None
    skills_dir: str | None = None
    mcp_servers: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    network_mode: NetworkMode | None = None
    allowed_hosts: list[str] | None = None
    allow_internet: bool | None = None
    healthcheck: HealthcheckTable | None = None


class AgentTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[agent]``."""

    timeout_sec: float | None = None
    user: str | int | None = None
    network_mode: NetworkMode | None = None
    allowed_hosts: list[str] | None = None


class CollectTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[verifier.collect]]``."""

    command: str
    service: str = "main"
    timeout_sec: float = 60.0
    user: str | int | None = None


class VerifierTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[verifier]``."""

    timeout_sec: float = 600.0
    env: dict[str, str] = field(default_factory=dict[str, str])
    user: str | int | None = None
    network_mode: NetworkMode | None = None
    allowed_hosts: list[str] | None = None
    environment_mode: Literal["shared", "separate"] | None = None
    environment: EnvironmentTable | None = None
    collect: list[CollectTable] = field(default_factory=list[CollectTable])


class SolutionTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``[solution]``."""

    env: dict[str, str] = field(default_factory=dict[str, str])


class ArtifactTable(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of ``artifacts`` that is not a plain path."""

    source: str
    destination: str | None = None
    exclude: list[str] = field(default_factory=list[str])
    service: str | None = None


class TaskTable(Struct, frozen=True, forbid_unknown_fields=True):
    """``task.toml``, whole."""

    schema_version: str = "1.4"
    version: str | None = None
    """Its name before ``schema_version``."""
    task: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    environment: EnvironmentTable = EnvironmentTable()
    agent: AgentTable = AgentTable()
    verifier: VerifierTable = VerifierTable()
    solution: SolutionTable = SolutionTable()
    source: str | None = None
    artifacts: list[str | ArtifactTable] = field(default_factory=list[str | ArtifactTable])
    steps: list[dict[str, Any]] | None = None
    multi_step_reward_strategy: Literal["mean", "final"] | None = None


SECTIONS: dict[str, type[Struct]] = {
    "": TaskTable,
    "environment": EnvironmentTable,
    "environment.healthcheck": HealthcheckTable,
    "agent": AgentTable,
    "verifier": VerifierTable,
    "verifier.environment": EnvironmentTable,
    "verifier.environment.healthcheck": HealthcheckTable,
    "verifier.collect": CollectTable,
    "solution": SolutionTable,
    "artifacts": ArtifactTable,
}
"""The tables by where they stand: what may be in each is listed when something else is."""

VERSIONS = ("1.0", "1.1", "1.2", "1.3", "1.4")
