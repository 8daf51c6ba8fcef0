from __future__ import annotations

import pytest

from greenroom.specs.limit_rules import bounds, changed
from greenroom.specs.limits import Bounds, Limits


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"concurrency": "400"}, Bounds(concurrency=400)),
        ({"concurrency": 400, "per_image": 3}, Bounds(concurrency=400, per_image=3)),
        ({"image:python:3.12": "4"}, Bounds(named={"image:python:3.12": 4})),
        ({"named": {"agent:codex": 2}}, Bounds(named={"agent:codex": 2})),
        ({"free_memory": "2g", "load": "1.5"}, Bounds(free_memory="2g", load=1.5)),
        ({"free_memory": "none", "open_files": None, "per_agent": "none"}, Bounds(free_memory=None, open_files=None)),
        ({"jitter": "2.5", "boot": 20, "queue": 5}, Bounds(jitter=2.5, boot=20.0, queue=5)),
        ({}, Bounds()),
    ],
)
def test_limits_are_changed_by_value_and_by_text(changes: dict[str, object], expected: Bounds) -> None:
    """A command line's text means the same as Python's value."""
    assert changed(Bounds(), changes) == expected


def test_a_named_limit_is_lifted_by_none() -> None:
    """What is named can be left to the limit of its kind again."""
    assert changed(Bounds(named={"image:a": 1, "image:b": 2}), {"image:a": "none"}).named == {"image:b": 2}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"concurrency": 0}, "concurrency: expected a whole number, 1 or more, got 0"),
        ({"concurrency": "many"}, "concurrency: .* got 'many'"),
        ({"concurrency": None}, "concurrency"),
        ({"concurrency": True}, "concurrency"),
        ({"per_image": -1}, "per_image"),
        ({"free_memory": "lots"}, "free_memory: expected a size"),
        ({"load": -1}, "load"),
        ({"load": "nan"}, "load"),
        ({"open_files": 2}, "open_files: expected a share"),
        ({"speed": 1}, "speed: there is no such limit"),
        ({"image:": 1}, "there is no such limit"),
        ({"image:a": 0}, "image:a"),
        ({"named": 3}, "named"),
        ({"named": {"a": 3}}, "named"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], says: str) -> None:
    """The error names the limit, what was given, and what is allowed."""
    with pytest.raises(ValueError, match=says):
        changed(Bounds(), changes)


def test_limits_and_concurrency_make_bounds() -> None:
    """An engine's two arguments become one."""
    assert bounds(Limits(per_image=2), 7) == Bounds(per_image=2, concurrency=7)
    with pytest.raises(ValueError, match="queue"):
        bounds(Limits(queue=0), 7)
