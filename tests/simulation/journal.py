"""Everything that is observed of one schedule: written down in order, and handed to the promises as it happens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import inf

from tests.simulation.faults import Faults
from tests.simulation.plan import Plan
from tests.simulation.promises.bounds import Bounds
from tests.simulation.promises.budgets import Budgets
from tests.simulation.promises.calls import Calls
from tests.simulation.promises.downs import Downs
from tests.simulation.promises.groups import Groups
from tests.simulation.promises.jobs import Jobs
from tests.simulation.promises.lanes import Lanes
from tests.simulation.promises.lives import Lives
from tests.simulation.promises.mail import MailBook
from tests.simulation.promises.orders import Orders
from tests.simulation.promises.restarts import Restarts
from tests.simulation.promises.timers import Timers

_MOST_STEPS = 30_000
"""No schedule needs a tenth of these; one that takes more goes round in circles."""


class Journal:
    """One schedule's book, with a page for each kind of promise."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.now: Callable[[], float] = lambda: 0.0
        self.faults = Faults(plan.faults)
        self.trace: list[str] = []
        self.broken: list[str] = []
        self.ids = count(1)
        self.steps = 0
        self.left_at = inf
        """When the leaving of the system began."""
        self.lives = Lives(self)
        self.orders = Orders(self)
        self.mail = MailBook(self)
        self.bounds = Bounds(self)
        self.calls = Calls(self)
        self.downs = Downs(self)
        self.timers = Timers(self)
        self.jobs = Jobs(self)
        self.lanes = Lanes(self)
        self.groups = Groups(self)
        self.restarts = Restarts(self)
        self.budgets = Budgets(self)

    def note(self, text: str) -> None:
        """Write down that something happened."""
        self.trace.append(f"{self.now():.6f} {text}")

    def breach(self, promise: str, text: str) -> None:
        """Write down that a promise was broken."""
        self.broken.append(f"{promise} at {self.now():g} s: {text}")
        self.note(f"BROKEN {promise}: {text}")

    def step(self) -> bool:
        """Count a step of a task; False if there were too many."""
        self.steps += 1
        if self.steps == _MOST_STEPS:
            self.breach("P10", f"still busy after {_MOST_STEPS} steps")
        return self.steps < _MOST_STEPS

    def event(self, kind: str, path: str, detail: str) -> None:
        """The kernel tells something."""
        self.note(f"{kind} {path} {detail.splitlines()[0] if detail else ''}")
        match kind:
            case "stopped" | "crashed":
                self.lives.ended(path)
            case "zombie":
                self.lives.fenced(path)
            case "restarting":
                self.restarts.admitted(path, detail)
            case "dead_letter":
                self.mail.died(path, detail)
            case _:
                pass

    def at_rest(self) -> None:
        """All has been quiet for long: check what must be so then."""
        for page in (self.lives, self.mail, self.downs, self.timers, self.jobs, self.lanes):
            page.at_rest()

    def at_end(self) -> None:
        """The system is gone: check what must be so then."""
        for page in (self.lives, self.mail, self.calls):
            page.at_end()
