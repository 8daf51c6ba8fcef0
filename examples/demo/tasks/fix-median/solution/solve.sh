#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

cat > stats.py.new <<'PY'
"""Small statistics for the dashboard."""


def mean(values):
    """The arithmetic mean. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)


def median(values):
    """The value in the middle, or the mean of the two there. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2
PY
mv stats.py.new stats.py
