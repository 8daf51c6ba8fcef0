"""What a bench reports: its shape, and that no target depends on how fast the machine is."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import containers
import engine
import interception
import kernel
from _peers import Missing
from _report import COUNTED, Better, Mark, Report, machine

SAMPLES = {
    "door": [3.0, 8.0, 4.0],
    "door.floor": [1.0, 2.0, 2.0],
    "door.bytes": [700.0],
}
RATIO = Mark(of="door", over="door.floor", must=3.5, aim=2.0)


def report(*marks: Mark) -> Report:
    """A report on the samples."""
    return Report(name="doors", machine=machine(peers={"bell": "not measured: no bell"}), samples=SAMPLES, marks=marks)


def calls() -> dict[str, list[float]]:
    """A figure of each kind that the bench of model calls measures."""
    rests = ("whole.1", "whole.1.latency", "streamed.64", "responses.whole.64", "whole.2000")
    names = ("gate", "gate.floor", "upstream", "upstream.floor", "plain", "openenv", "verifiers")
    return {f"{name}.{rest}": [1.0] for name in names for rest in rests}


def marks() -> Iterator[Mark]:
    """Those of every bench."""
    yield from (*kernel.marks(), *kernel.PEERS)
    yield from (*interception.marks(calls()), *interception.peer_marks(calls()))
    yield from (*engine.MARKS, *engine.PEER_MARKS)
    yield from containers.MARKS


def test_a_report_is_one_object_of_a_fixed_shape() -> None:
    """The JSON has four fields, and each target six: no more, no fewer, all numbers finite."""
    found = json.loads(report(RATIO, Mark(of="door.bytes", must=500, aim=100)).as_json())
    assert list(found) == ["name", "machine", "metrics", "targets"]
    for target in found["targets"]:
        assert sorted(target) == ["aim", "better", "key", "met", "must", "value"]
        assert target["better"] in ("lower", "higher")
    assert all(isinstance(value, float) for value in found["metrics"].values())


def test_a_ratio_is_the_median_of_the_laps_ratios() -> None:
    """Each lap is compared with itself, so a machine that slows down between two laps changes nothing."""
    (target,) = report(RATIO).targets()
    assert target == {
        "key": "door / door.floor", "value": 3.0, "must": 3.5, "aim": 2.0, "better": "lower", "met": True,
    }  # fmt: skip
    metrics = report(RATIO).metrics()
    assert (metrics["door"], metrics["door.floor"]) == (4.0, 2.0)
    assert (metrics["door / door.floor min"], metrics["door / door.floor max"]) == (2.0, 4.0)


def test_a_machine_half_as_fast_gets_the_same_verdicts() -> None:
    """Twice the seconds in every lap leave every target as it was."""
    slow = {key: values if key.endswith("bytes") else [2 * one for one in values] for key, values in SAMPLES.items()}
    ours = report(RATIO, Mark(of="door.bytes", must=500, aim=100))
    theirs = Report(name="doors", machine=machine(), samples=slow, marks=ours.marks)
    assert theirs.targets() == ours.targets()


@pytest.mark.parametrize(("better", "met"), [("lower", False), ("higher", True)])
def test_a_target_is_missed_beyond_its_must(better: Better, met: bool) -> None:  # noqa: FBT001
    """What is better decides on which side of ``must`` a value has to be."""
    (target,) = report(Mark(of="door", over="door.floor", must=2.9, aim=2.9, better=better)).targets()
    assert target["met"] is met


def test_what_could_not_be_measured_is_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    """A peer that is not here neither counts as missed nor gets a guessed value; the table says why."""
    absent = report(RATIO, Mark(of="bell", over="door", must=1, aim=2))
    assert [target["key"] for target in absent.targets()] == ["door / door.floor"]
    absent.show()
    shown = capsys.readouterr().out
    assert "bell: not measured: no bell" in shown
    assert "doors: 1 of 1 met; 1 could not be measured here" in shown


def test_the_table_says_how_to_repeat_it_and_what_was_missed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the machine stands the command, and the last line counts and names the misses."""
    monkeypatch.setattr("sys.argv", ["bench/doors.py", "--quick"])
    report(RATIO, Mark(of="door.bytes", must=500, aim=100)).show()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("again: ")
    assert lines[1].endswith(" bench/doors.py --quick")
    assert lines[-1] == "doors: 1 of 2 met; missed: door.bytes"


@pytest.mark.parametrize("of", ["door", "door.cpu", "door.latency", "door.ms"])
def test_a_time_alone_is_refused_as_a_target(of: str) -> None:
    """Whatever is measured in seconds has to be held against something measured beside it."""
    with pytest.raises(ValueError, match="depends on the machine"):
        Mark(of=of, must=1, aim=1)


def test_every_target_is_a_ratio_or_no_time() -> None:
    """All targets of all benches name a second figure, or count in a unit that no machine's speed changes."""
    found = list(marks())
    assert len(found) > 50
    assert [mark.key for mark in found if not mark.over and mark.of.rpartition(".")[2] not in COUNTED] == []


def test_both_sides_of_every_ratio_have_one_unit() -> None:
    """Bytes are held against bytes, and times against times."""

    def unit(key: str) -> str:
        last = key.rpartition(".")[2]
        return last if last in COUNTED else "seconds"

    assert [mark.key for mark in marks() if mark.over and unit(mark.of) != unit(mark.over)] == []


def test_every_target_can_be_met_and_missed() -> None:
    """No mark asks for more than it aims at, and none is named twice."""
    found = list(marks())
    assert [mark.key for mark in found if not mark.reached(mark.aim, mark.must)] == []
    assert len({mark.key for mark in found}) == len(found)


@pytest.mark.real_time
def test_a_machine_without_docker_is_told_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bench of containers reports no target, and names the reason."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    found = containers.run(quick=True, alone=True)
    assert found.targets() == []
    reason = found.machine["peers"]["docker"]
    assert reason.startswith("not measured: ")
    assert "\n" not in reason


def test_a_machine_without_bubblewrap_is_told_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local rollouts are not measured unsealed; the reason names the package."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Missing, match=r"^they need bubblewrap and .*; on Debian: apt-get install bubblewrap python3$"):
        engine.rollouts({}, quick=True, alone=True)
