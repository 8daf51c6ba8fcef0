"""What became of the rollouts so far, in the few words that are kept of each."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from greenroom.introspection.render import duration, escape, table
from greenroom.messages import Outcome, Status

_ROWS = 100
"""Outcomes a table lists one by one; more are summed up by task."""
_NOTE = 60
_DOUBTS = 5
_SHOWN_SECONDS = 0.05
"""Where no model has held calls for longer there is no column for it."""
_RIGHT = ("SAMPLE", "ROLLOUTS", "REWARD", "SCORED", "ATTEMPTS", "SECONDS", "MODEL")

Reward = float | dict[str, float] | None


class Line(Struct, frozen=True):
    """One outcome."""

    agent: str
    task_id: str
    sample: int
    status: Status
    reward: Reward
    attempts: int
    seconds: float
    note: str
    model_seconds: float = 0.0


class Tally:
    """All outcomes of a run."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._unknown: Counter[str] = Counter()
        """Words for ends of answers that are not known, and how often they were said."""

    def add(self, outcome: Outcome) -> Line:
        """Count one more."""
        line = Line(
            outcome.agent,
            outcome.task_id,
            outcome.sample,
            outcome.status,
            outcome.reward if outcome.reward_valid else None,
            len(outcome.attempts),
            outcome.timings.get("total", 0.0),
            _note(outcome),
            outcome.model_seconds,
        )
        self.lines.append(line)
        said = (turn.completion for turn in outcome.turns)
        self._unknown.update(one.native_finish_reason or "" for one in said if one.finish_reason == "unknown")
        return line

    @property
    def statuses(self) -> dict[str, int]:
        """How many outcomes have each status."""
        return dict(Counter(line.status for line in self.lines))

    @property
    def mean(self) -> float | None:
        """Mean of the plain rewards that count."""
        return _mean(self.lines)

    def table(self, width: int | None = None) -> str:
        """Every outcome, or every task when there are many; ``width`` is what a line may take."""
        lines = sorted(self.lines, key=lambda line: (line.agent, line.task_id, line.sample))
        if len(lines) > _ROWS:
            return _by_task(lines, width)
        model = any(line.model_seconds >= _SHOWN_SECONDS for line in lines)
        times = ("SECONDS", "MODEL") if model else ("SECONDS",)
        head: tuple[str, ...] = ("AGENT", "TASK", "SAMPLE", "STATUS", "REWARD", "ATTEMPTS", *times, "WHY")
        rows = [_row(line, model=model) for line in lines]
        if len({line.agent for line in lines}) == 1:
            head, rows = head[1:], [row[1:] for row in rows]
        return table(head, rows, _RIGHT, width)

    def totals(self) -> str:
        """One line about all."""
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        scored = sum(line.reward is not None for line in self.lines)
        mean = "" if self.mean is None else f"; mean reward {self.mean:.3f} over {scored} scored"
        return f"{len(self.lines)} outcomes: {counts or 'none'}{mean}{self._doubts()}"

    def _doubts(self) -> str:
        """What is not known of answers, so that their attempts are not trainable."""
        if not self._unknown:
            return ""
        words = ", ".join(f"{escape(word)!r} {count}" for word, count in self._unknown.most_common(_DOUBTS))
        return f"; {self._unknown.total()} answers ended for a reason that is not known ({words})"


def reward(value: Reward) -> str:
    """A reward in few characters; ``-`` is unscored."""
    match value:
        case None:
            return "-"
        case dict():
            return " ".join(f"{name}={number:g}" for name, number in value.items())
        case _:
            return f"{value:g}"


def one_line(line: Line, number: int, of: int) -> str:
    """An outcome on a line of its own."""
    attempts = f", {line.attempts} attempts" if line.attempts > 1 else ""
    note = f"  ({line.note})" if line.note else ""
    what = f"{line.task_id} #{line.sample}  {line.status}  reward {reward(line.reward)}"
    return escape(f"[{number}/{of}] {what}  {duration(line.seconds)}{attempts}{note}")


def _note(outcome: Outcome) -> str:
    """Why it went as it did: the last fault, also of an attempt that was made good."""
    fault = outcome.fault or next((attempt.fault for attempt in reversed(outcome.attempts) if attempt.fault), None)
    text = f"{fault.kind}: {fault.message}" if fault else ""
    return text if len(text) <= _NOTE else f"{text[: _NOTE - 3]}..."


def _row(line: Line, *, model: bool) -> tuple[str, ...]:
    what = (line.agent, line.task_id, str(line.sample), line.status, reward(line.reward))
    times = (f"{line.seconds:.1f}", f"{line.model_seconds:.1f}") if model else (f"{line.seconds:.1f}",)
    return (*what, str(line.attempts), *times, line.note)


def _by_task(lines: list[Line], width: int | None) -> str:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.task_id, []).append(line)
    rows = [_task_row(task_id, group) for task_id, group in groups.items()]
    return table(("TASK", "ROLLOUTS", "SCORED", "REWARD", "ATTEMPTS", "SECONDS"), rows, _RIGHT, width)


def _task_row(task_id: str, group: list[Line]) -> tuple[str, ...]:
    scored = sum(line.reward is not None for line in group)
    mean = _mean(group)
    attempts = sum(line.attempts for line in group)
    seconds = sum(line.seconds for line in group) / len(group)
    return (
        task_id,
        str(len(group)),
        str(scored),
        "-" if mean is None else f"{mean:.3f}",
        str(attempts),
        f"{seconds:.1f}",
    )


def _mean(lines: list[Line]) -> float | None:
    rewards = [line.reward for line in lines if isinstance(line.reward, int | float)]
    return sum(rewards) / len(rewards) if rewards else None
