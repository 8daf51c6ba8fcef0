"""Trees and scripts that both sides can run, as data, and the Erlang term each of them is."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec import Struct

from greenroom.kernel._restart import AutoShutdown, Restart, Strategy

PERIOD_FOREVER = 3600
GRACE_MS = 30


class Worker(Struct, frozen=True):
    """A leaf. ``plan`` says how its first starts go: ok, fail or ignore; well after that."""

    name: str
    plan: tuple[str, ...] = ()

    def term(self) -> str:
        return f"{{worker,{self.name},[{','.join(self.plan)}]}}"


class Child(Struct, frozen=True):
    """A leaf or a subtree, and how it is supervised. ``brutal`` is OTP's brutal_kill."""

    body: Worker | Tree
    restart: Restart = "permanent"
    significant: bool = False
    brutal: bool = False

    def term(self) -> str:
        grace = "infinity" if isinstance(self.body, Tree) else "brutal_kill" if self.brutal else str(GRACE_MS)
        return f"{{{self.restart},{grace},{str(self.significant).lower()},{self.body.term()}}}"


class Tree(Struct, frozen=True):
    """A supervisor."""

    name: str
    strategy: Strategy
    intensity: int
    period: int
    auto_shutdown: AutoShutdown
    children: tuple[Child, ...]

    def term(self) -> str:
        children = ",".join(child.term() for child in self.children)
        head = f"sup,{self.name},{self.strategy},{self.intensity},{self.period},{self.auto_shutdown}"
        return f"{{{head},[{children}]}}"


class Step(Struct, frozen=True):
    """One thing that happens: a verb, whom it concerns, and a reason, an id, a child or milliseconds."""

    verb: str
    name: str = ""
    more: str | int | Child = ""

    def term(self) -> str:
        more = self.more.term() if isinstance(self.more, Child) else str(self.more)
        return "{" + ",".join(part for part in (self.verb, self.name, more) if part) + "}"


class Case(Struct, frozen=True):
    """A tree and what happens to it."""

    tree: Tree
    script: tuple[Step, ...]

    def term(self) -> str:
        return f"{{{self.tree.term()},[{','.join(step.term() for step in self.script)}]}}."


def names(tree: Tree) -> tuple[list[str], dict[str, list[str]]]:
    """All workers, and the children's ids of each supervisor."""
    workers: list[str] = []
    supervisors = {tree.name: [child.body.name for child in tree.children]}
    for child in tree.children:
        if isinstance(child.body, Tree):
            below, more = names(child.body)
            workers += below
            supervisors |= more
        else:
            workers.append(child.body.name)
    return workers, supervisors


PLANS = st.lists(st.sampled_from(["ok", "ok", "fail", "ignore"]), max_size=4).map(tuple)


@st.composite
def trees(draw: st.DrawFn, name: str = "s", depth: int = 3) -> Tree:
    """Supervisors nested to ``depth`` levels. A subtree's name extends its parent's."""
    auto: AutoShutdown = draw(st.sampled_from(["never", "never", "any_significant", "all_significant"]))
    count = draw(st.integers(min_value=1, max_value=4 if depth == 3 else 3))
    return Tree(
        name,
        draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])),
        draw(st.integers(min_value=0, max_value=3)),
        draw(st.sampled_from([PERIOD_FOREVER] * 5 + [1])),
        auto,
        tuple(draw(children(f"{name[1:]}{n}", depth - 1, auto)) for n in range(count)),
    )


@st.composite
def children(draw: st.DrawFn, tail: str, depth: int, auto: AutoShutdown) -> Child:
    """One child; significant only where that is legal."""
    restart: Restart = draw(st.sampled_from(["permanent", "transient", "temporary"]))
    significant = auto != "never" and restart != "permanent" and draw(st.booleans())
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        return Child(draw(trees(f"s{tail}", depth)), restart, significant)
    return Child(Worker(f"w{tail}", draw(PLANS)), restart, significant, draw(st.integers(0, 4)) == 0)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A tree and up to ten steps about its members."""
    tree = draw(trees())
    return Case(tree, tuple(draw(st.lists(steps(tree), min_size=1, max_size=10))))


@st.composite
def steps(draw: st.DrawFn, tree: Tree) -> Step:
    """Something that happens to a member of the tree."""
    workers, supervisors = names(tree)
    # Waiting costs real time on OTP's side, and matters only where a window of restarts can pass.
    verbs = ["exit"] * 8 + ["kill"] * 3 + ["hang", "start", "terminate", "restart", "delete"]
    verb = draw(st.sampled_from([*verbs, "wait"] if tree.period != PERIOD_FOREVER else verbs))
    supervisor = draw(st.sampled_from(sorted(supervisors)))
    if verb == "wait":
        return Step(verb, more=1200)
    if verb in ("exit", "kill", "hang"):
        reason = draw(st.sampled_from(["normal", "shutdown", "{shutdown,x}", "boom", "boom"])) if verb == "exit" else ""
        return Step(verb, draw(st.sampled_from(workers or [supervisor.replace("s", "w", 1)])), reason)
    if verb == "start":
        tail = f"{supervisor[1:]}n{draw(st.integers(0, 1))}"
        return Step(verb, supervisor, draw(children(tail, 0, "never")))
    return Step(verb, supervisor, draw(st.sampled_from([*supervisors[supervisor], f"w{supervisor[1:]}n0"])))
