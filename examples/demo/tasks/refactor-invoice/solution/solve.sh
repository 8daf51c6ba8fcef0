#!/bin/sh
# One way to solve the task; `greenroom tasks check` tries it.
set -eu

cat invoice.py; python3 -m unittest 2>&1 | tail -3
cat > invoice.py <<'PY'
"""Totals of invoices, in cents."""

SHIPPING = 490
COUNTRIES = {"de": (190, 5000), "fr": (200, 6000), "ch": (81, 10000)}
"""Tax in thousandths, and the net sum from which shipping is free."""


def total(lines, country):
    """What the customer pays."""
    tax, limit = COUNTRIES[country]
    net = sum(amount(line) for line in lines)
    if net < limit:
        net += SHIPPING
    return net + (net * tax + 500) // 1000


def amount(line):
    """The price of one line; 5 % off from ten pieces."""
    full = line["price"] * line["count"]
    return full * 95 // 100 if line["count"] >= 10 else full


def total_de(lines):
    """German invoices."""
    return total(lines, "de")


def total_fr(lines):
    """French invoices."""
    return total(lines, "fr")


def total_ch(lines):
    """Swiss invoices."""
    return total(lines, "ch")
PY
