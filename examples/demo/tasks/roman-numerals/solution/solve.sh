#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

cat > roman.py <<'PY'
"""Roman numerals from 1 to 3999."""

VALUES = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"),
    (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)


def to_roman(number):
    """The canonical numeral. Raises ValueError outside 1 to 3999."""
    if not 1 <= number <= 3999:
        raise ValueError(f"{number} has no Roman numeral")
    text = ""
    for value, letters in VALUES:
        count, number = divmod(number, value)
        text += letters * count
    return text


def from_roman(text):
    """The integer of a canonical numeral. Raises ValueError for anything else."""
    number, rest = 0, text
    for value, letters in VALUES:
        while rest.startswith(letters):
            number, rest = number + value, rest[len(letters):]
    if rest or not 1 <= number <= 3999 or to_roman(number) != text:
        raise ValueError(f"{text!r} is no Roman numeral")
    return number
PY
python3 - <<'PY'
from roman import from_roman, to_roman
print(all(from_roman(to_roman(n)) == n for n in range(1, 4000)), to_roman(1994))
for text in ("IIII", "IC", "iv", ""):
    try:
        print(text, from_roman(text))
    except ValueError as error:
        print(error)
PY
