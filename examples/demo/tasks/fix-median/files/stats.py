"""Small statistics for the dashboard."""


def mean(values):
    """The arithmetic mean. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)


def median(values):
    """The value in the middle. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    values.sort()
    return values[len(values) // 2]
