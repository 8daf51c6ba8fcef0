from __future__ import annotations

from collections import Counter

import msgspec
from msgspec.structs import replace

from greenroom.cli.tally import Tally, one_line, reward
from greenroom.messages import AttemptRecord, Completion, Fault, Outcome, Status, Turn


def outcome(
    task: str = "a",
    sample: int = 0,
    score: float | dict[str, float] | None = 1.0,
    message: str = "",
    status: Status = "completed",
) -> Outcome:
    """One that ended after a second and a quarter."""
    return Outcome(
        rollout_id=f"{task}-{sample}",
        task_id=task,
        group=task,
        sample=sample,
        status=status,
        reward=score,
        reward_valid=score is not None,
        fault=Fault(blame="sandbox", kind="sandbox_lost", message=message, phase="agent") if message else None,
        attempts=(AttemptRecord(number=1, status=status),),
        timings={"total": 1.25},
    )


def test_the_table_lists_every_outcome_by_task_and_sample() -> None:
    """A few outcomes are listed one by one, unscored ones with a dash."""
    tally = Tally()
    tally.add(outcome("b"))
    tally.add(outcome("a", 1, None, "gone", "sandbox_failed"))
    tally.add(outcome("a", 0, 0.0))
    assert tally.table().splitlines() == [
        "TASK  SAMPLE  STATUS          REWARD  ATTEMPTS  SECONDS  WHY",
        "a          0  completed            0         1      1.2",
        "a          1  sandbox_failed       -         1      1.2  sandbox_lost: gone",
        "b          0  completed            1         1      1.2",
    ]
    assert tally.totals() == "3 outcomes: 2 completed, 1 sandbox_failed; mean reward 0.500 over 2 scored"


def test_the_time_that_models_took_has_a_column() -> None:
    """Where a model held calls, the table says for how long beside what the rollout took in all."""
    tally = Tally()
    tally.add(outcome("a"))
    tally.add(replace(outcome("b"), model_seconds=0.75))
    assert tally.table().splitlines() == [
        "TASK  SAMPLE  STATUS     REWARD  ATTEMPTS  SECONDS  MODEL  WHY",
        "a          0  completed       1         1      1.2    0.0",
        "b          0  completed       1         1      1.2    0.8",
    ]


def test_a_table_fits_the_terminal() -> None:
    """Long names of tasks, reasons and named rewards go on below; none of them is cut."""
    tally = Tally()
    name = "group-of-tasks__with-a-name-of-more-than-sixty-characters__variant-0001"
    tally.add(outcome(name, 0, None, "the container was killed by the machine's memory killer", "sandbox_failed"))
    tally.add(outcome("b", 1, {"tests": 0.5, "style": 1.0, "speed": 0.25, "size": 0.125}))
    text = tally.table(80)
    assert max(map(len, text.splitlines())) <= 80
    assert Counter("".join(text.split())) == Counter("".join(tally.table().split()))
    assert max(map(len, tally.table(500).splitlines())) > 80


def test_many_outcomes_are_summed_up_by_task() -> None:
    """A table never grows beyond what can be read."""
    tally = Tally()
    for sample in range(150):
        tally.add(outcome("a", sample, float(sample % 2)))
    assert tally.table().splitlines() == [
        "TASK  ROLLOUTS  SCORED  REWARD  ATTEMPTS  SECONDS",
        "a          150     150   0.500       150      1.2",
    ]


def test_a_reward_that_does_not_count_is_not_shown() -> None:
    """What must not be trained on is not averaged either."""
    tally = Tally()
    tally.add(msgspec.structs.replace(outcome("a"), reward_valid=False))
    assert tally.mean is None
    assert reward(tally.lines[0].reward) == "-"


def test_named_rewards_are_shown_by_name() -> None:
    """A reward of several parts is one cell."""
    assert reward({"tests": 0.5, "style": 1.0}) == "tests=0.5 style=1"


def test_a_fault_cannot_command_the_terminal() -> None:
    """Text that agents had a hand in is escaped on lines and in tables."""
    tally = Tally()
    line = tally.add(outcome("a", 0, None, "\x1b[2J\nnew line", "sandbox_failed"))
    assert one_line(line, 1, 2).isprintable()
    assert all(row.isprintable() for row in tally.table().splitlines())
    assert len(tally.table().splitlines()) == 2


def test_ends_that_nobody_knows_are_counted() -> None:
    """The line about all says how many answers ended for an unknown reason, and the words for it, escaped."""
    tally = Tally()
    for word in ("eager", "eager", "\x1b[31m"):
        completion = Completion(finish_reason="unknown", native_finish_reason=word)
        turns = (Turn(index=0, messages=(), completion=completion, started=0, seconds=1),)
        one = outcome()
        tally.add(replace(one, attempts=(replace(one.attempts[0], turns=turns),)))
    assert "; 3 answers ended for a reason that is not known ('eager' 2, " in tally.totals()
    assert tally.totals().isprintable()
