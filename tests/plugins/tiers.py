"""Every test is in one tier, and a run says which tiers it left out and how to get them.

``@pytest.mark.containers``, ``agents`` and ``long`` put a test into that tier; one without any of them is fast, but for
those on trio, which are long: the same tests are fast on asyncio. A run
takes the fast tier; ``--tier long`` takes another one, ``--tier all`` takes all, and paths on the command line take
whatever they hold. The setting ``minimum_tests`` is the number of tests that a run of all tiers has to pass in CI.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

import pytest
from msgspec import Struct, field

from tests.plugins.needs import AGENTS, CONTAINERS, FAST, LONG, NEEDS

TIERS: Final = (FAST, CONTAINERS, AGENTS, LONG)
WANTS: Final = {CONTAINERS: "a Docker engine", AGENTS: "node and npm, or a package registry", LONG: "time"}
"""What the tests of a tier want in general; each says for itself what it needs."""


class Plan(Struct):
    """What one session runs, and what it leaves out. Made where tests are collected, read where results are shown."""

    tiers: dict[str, int] = field(default_factory=dict[str, int])
    """How many tests of each tier run."""
    unasked: dict[str, int] = field(default_factory=dict[str, int])
    """How many tests belong to tiers that were not asked for."""
    unmet: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    """Tier, need, and how many of its tests are left out because the need is not met."""
    alone: list[int] = field(default_factory=list[int])
    """The tests that run while no other does: their places in the collection."""

    @property
    def total(self) -> int:
        """How many tests run."""
        return sum(self.tiers.values())


PLAN = pytest.StashKey[Plan]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option and the setting."""
    parser.addini("minimum_tests", "how many tests of all tiers have to pass in CI", default="0")
    parser.addoption(
        "--tier", default="", metavar="NAMES", help=f"tiers to run, of {', '.join(TIERS)}; all; several with commas"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and count in this session."""
    config.addinivalue_line(
        "markers", "needs(*names): what it takes besides Python; tests/plugins/needs.py has them all"
    )
    for tier in TIERS[1:]:
        config.addinivalue_line("markers", f"{tier}: of this tier; a test without any such mark is {FAST}")
    config.stash[PLAN] = Plan()
    config.pluginmanager.register(_Tiers(config, wanted(config)), "tiers")


def wanted(config: pytest.Config) -> tuple[str, ...]:
    """The tiers that are asked for.

    Raises:
        pytest.UsageError: There is no such tier.
    """
    names = [name.strip() for name in str(config.getoption("tier")).split(",") if name.strip()]
    if not names:
        return TIERS if config.args_source is pytest.Config.ArgsSource.ARGS else (FAST,)
    if names == ["all"]:
        return TIERS
    if unknown := [name for name in names if name not in TIERS]:
        raise pytest.UsageError(f"--tier: there is no {', '.join(unknown)}; the tiers are {', '.join(TIERS)}, or all")
    return tuple(tier for tier in TIERS if tier in names)


def tier_of(item: pytest.Item) -> str:
    """The one tier of a test; several in one string, if it wrongly has several."""
    marked = " and ".join(tier for tier in TIERS[1:] if item.get_closest_marker(tier))
    return marked or (LONG if _is_on_trio(item) else FAST)


def _is_on_trio(item: pytest.Item) -> bool:
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return parameters.get("anyio_backend") == "trio"


def needs_of(item: pytest.Item) -> list[str]:
    """What a test needs, by its marks and by the fixtures that it uses, in the order of `NEEDS`."""
    marked = {name for mark in item.iter_markers("needs") for name in mark.args}
    fixtures = getattr(item, "fixturenames", ())
    implied = {name for name, need in NEEDS.items() if need.fixture and need.fixture in fixtures}
    return [*(name for name in NEEDS if name in marked | implied), *sorted(marked - NEEDS.keys())]


def complaint(item: pytest.Item) -> str | None:
    """What is wrong with a test's tier or needs."""
    tier = tier_of(item)
    if tier not in TIERS:
        return f"{item.nodeid}: is in the tiers {tier}, and a test is in one"
    for name in needs_of(item):
        if name not in NEEDS:
            return f"{item.nodeid}: needs {name}, which tests/plugins/needs.py does not have"
        if tier not in NEEDS[name].tiers:
            others = " or ".join(other for other in TIERS if other in NEEDS[name].tiers)
            return f"{item.nodeid}: needs {name}, which no test of the tier {tier} may: mark it {others}"
    return None


def runs_alone(item: pytest.Item) -> bool:
    """Whether nothing may run beside a test: it touches the world, or is an example of the documentation."""
    return not isinstance(item, pytest.Function) or item.get_closest_marker("real_time") is not None


class _Tiers:
    """Chooses the tests of one session, and counts what became of them."""

    def __init__(self, config: pytest.Config, tiers: tuple[str, ...]) -> None:
        self.config = config
        self.tiers = tiers
        self.strict = bool(os.environ.get("CI"))
        self.passed: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Take the tests of these tiers whose needs are met. With CI set, the others of these tiers are skipped."""
        if complaints := [found for item in items if (found := complaint(item))]:
            raise pytest.UsageError("\n".join(complaints))
        plan = self.config.stash[PLAN]
        left: list[pytest.Item] = []
        taken: list[pytest.Item] = []
        unmet: Counter[tuple[str, str]] = Counter()
        for item in items:
            tier = tier_of(item)
            item.user_properties.append(("tier", tier))
            absent = next((name for name in needs_of(item) if tier in self.tiers and not NEEDS[name].met()), None)
            if absent and self.strict:
                item.add_marker(pytest.mark.skip(reason=f"needs {NEEDS[absent].what}"))
            elif absent:
                unmet[tier, absent] += 1
            (taken if tier in self.tiers and (self.strict or not absent) else left).append(item)
        plan.unasked = dict(Counter(tier_of(item) for item in left if tier_of(item) not in self.tiers))
        plan.unmet = [(tier, name, count) for (tier, name), count in unmet.items()]
        if left:
            self.config.hook.pytest_deselected(items=left)
            items[:] = taken

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note what runs, whoever else has chosen among the tests."""
        plan = self.config.stash[PLAN]
        plan.tiers = dict(Counter(tier_of(item) for item in session.items))
        plan.alone = [place for place, item in enumerate(session.items) if runs_alone(item)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test, and its time, in its tier."""
        tier = tier_in(report)
        self.seconds[tier] += report.duration
        if report.when == "call" and (report.passed or hasattr(report, "wasxfail")):
            self.passed[tier] += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a complete session that ran too few tests."""
        if self.lost and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def lost(self) -> int:
        """How many tests a complete run in CI has too few: somebody lost them."""
        chosen = [self.config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "maxfail", "deselect")]
        whole = self.tiers == TIERS and self.config.args_source is not pytest.Config.ArgsSource.ARGS and not any(chosen)
        if not self.strict or not whole or self.config.option.collectonly or hasattr(self.config, "workerinput"):
            return 0
        return max(0, int(self.config.getini("minimum_tests")) - self.passed.total())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the count of each tier, and what was left out."""
        terminalreporter.section("tiers")
        for tier in (tier for tier in TIERS if self.config.stash[PLAN].tiers.get(tier)):
            spent = f"{self.seconds[tier]:,.0f} s of tests"
            terminalreporter.line(
                f"{tier:<10} {self.passed[tier]:>5,} passed of {self.config.stash[PLAN].tiers[tier]:,}, {spent}"
            )
        terminalreporter.line(f"{'all':<10} {self.passed.total():>5,} passed of {self.config.stash[PLAN].total:,}")
        for line in left_out(self.config.stash[PLAN]):
            terminalreporter.line(line)
        if self.lost:
            terminalreporter.line(f"{self.lost} fewer than minimum_tests in pyproject.toml", red=True)


def tier_in(report: pytest.TestReport) -> str:
    """The tier of the test that a report is about."""
    return str(dict(report.user_properties).get("tier", FAST))


def left_out(plan: Plan) -> Iterable[str]:
    """What was left out, and how to get it: a line each."""
    for tier, name, count in plan.unmet:
        need = NEEDS[name]
        yield f"left out: {count:,} of {tier}, which need {need.what} ({need.remedy})"
    for tier in (tier for tier in TIERS if tier in plan.unasked):
        want = f", which want {WANTS[tier]}" if tier in WANTS else ""
        yield f"left out: {plan.unasked[tier]:,} of {tier}{want}: --tier {tier}"
    if plan.unasked:
        yield "`make test-all` runs every tier"
