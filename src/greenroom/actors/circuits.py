"""Circuit breakers of an engine: what fails again and again, whoever uses it, is left alone for a while.

A backend that fails is waited for: rollouts stay where they are, one of them tries it now and then. An image that does
not boot, or an agent that cannot be started in it, does not get well by itself: rollouts that need it are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from msgspec import Struct

from greenroom.actors._boundary import Failure, failure
from greenroom.actors.plan import RolloutPlan
from greenroom.messages import Fault
from greenroom.sandboxes.breaker import Breaker, State

_BACKEND = "backend:"
_BOOTS = 5
_AGENTS = 8
_REST_SECONDS = 30.0
_LONGEST_SECONDS = 600.0
_OF_BACKEND = frozenset(
    {"backend_closed", "bubblewrap_broken", "daemon_lost", "daemon_slow", "docker_not_found", "docker_unavailable"}
    | {"host_exhausted"}
)
"""Kinds of failed boots that say nothing of the image."""
_NO_AGENT = frozenset({"agent_not_started", "command_raised"})


class CircuitRow(Struct, frozen=True, kw_only=True):
    """One circuit with trouble."""

    name: str
    state: State
    failures: int
    """In a row."""
    wait: float
    """Seconds until it is tried again, if it is open."""
    error: str
    """The last one."""


class Circuits:
    """All of one engine.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._boots: Breaker[str] = Breaker(_BOOTS, _REST_SECONDS, clock, longest=_LONGEST_SECONDS)
        self._agents: Breaker[str] = Breaker(_AGENTS, _REST_SECONDS, clock, longest=_LONGEST_SECONDS)
        self._trying: dict[str, RolloutPlan] = {}
        """By rollout, whose attempt has not booted yet."""
        self._counts: Counter[str] = Counter()

    def begin(self, plan: RolloutPlan) -> None:
        """An attempt of it begins."""
        if plan.rollout_id not in self._trying:
            self._trying[plan.rollout_id] = plan
            self._counts.update(_boot_keys(plan))

    def forget(self, rollout_id: str) -> None:
        """Its attempt has ended, whatever became of it."""
        plan = self._trying.pop(rollout_id, None)
        for key in _boot_keys(plan) if plan is not None else ():
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def booted(self, plan: RolloutPlan) -> None:
        """The sandbox of its attempt is there."""
        self.forget(plan.rollout_id)
        for key in _boot_keys(plan):
            self._boots.succeeded(key)

    def ended(self, plan: RolloutPlan, fault: Fault | None, *, worked: bool) -> None:
        """Its attempt has ended; ``worked`` says that its agent did something."""
        booting = plan.rollout_id in self._trying
        self.forget(plan.rollout_id)
        if worked:
            self._agents.succeeded(_agent_key(plan))
        elif fault is not None and fault.blame == "sandbox" and booting:
            self._boots.failed(_culprit(plan, fault), fault.message)
        elif fault is not None and fault.kind in _NO_AGENT:
            self._agents.failed(_agent_key(plan), fault.message)

    def refusal(self, plan: RolloutPlan) -> Failure | None:
        """Why it makes no sense to begin, if something it needs is left alone."""
        image = plan.image and self._boots.open(_image_key(plan))
        if image:
            text = self._say(self._boots, _image_key(plan), image, "boots")
            return failure("sandbox_failed", text, "boot", kind="circuit_open")
        agent = self._agents.open(_agent_key(plan))
        if agent:
            text = self._say(self._agents, _agent_key(plan), agent, "starts")
            return failure("agent_not_started", text, "setup", kind="circuit_open")
        return None

    def ready(self, plan: RolloutPlan) -> bool:
        """Whether it may begin now; if not, an attempt that ends, or time, will change that."""
        boots = all(self._boots.ready(key, self._counts[key]) for key in _boot_keys(plan))
        return boots and self._agents.state(_agent_key(plan)) != "open"

    def backend_ready(self, plan: RolloutPlan) -> bool:
        """Whether its backend, which all share, is not what it waits for."""
        return self._boots.ready(_backend_key(plan), self._counts[_backend_key(plan)])

    def trouble(self) -> tuple[float, str] | None:
        """Seconds until a backend is tried again, and why not before; ``None`` if none is left alone."""
        for key in self._boots.troubled:
            error = self._boots.open(key)
            if error is not None and str(key).startswith(_BACKEND):
                return self._boots.wait(key), self._say(self._boots, str(key), error, "boots")
        return None

    @property
    def troubled(self) -> bool:
        """Whether anything failed last time."""
        return bool(self._boots.troubled or self._agents.troubled)

    def reset(self) -> None:
        """Forget all failures."""
        self._boots.reset()
        self._agents.reset()

    def rows(self) -> Iterator[CircuitRow]:
        """Those with trouble."""
        for breaker in (self._boots, self._agents):
            for key, circuit in breaker.troubled.items():
                yield CircuitRow(
                    name=str(key),
                    state=breaker.state(key),
                    failures=circuit.failures,
                    wait=breaker.wait(key),
                    error=circuit.error,
                )

    def _say(self, breaker: Breaker[str], key: str, error: str, what: str) -> str:
        count = breaker.troubled[key].failures
        wait = breaker.wait(key)
        return f"{key}: the last {count} {what} failed, so it is left alone for {wait:.0f} s; the last one: {error}"


def _backend_key(plan: RolloutPlan) -> str:
    return f"{_BACKEND}{plan.backend}"


def _image_key(plan: RolloutPlan) -> str:
    return f"image:{plan.image}"


def _agent_key(plan: RolloutPlan) -> str:
    return f"agent:{plan.agent} in {plan.image or plan.backend}"


def _boot_keys(plan: RolloutPlan) -> tuple[str, ...]:
    return (_backend_key(plan), _image_key(plan)) if plan.image else (_backend_key(plan),)


def _culprit(plan: RolloutPlan, fault: Fault) -> str:
    return _image_key(plan) if plan.image and fault.kind not in _OF_BACKEND else _backend_key(plan)
