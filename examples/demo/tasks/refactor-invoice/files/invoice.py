"""Totals of invoices, in cents."""


def total_de(lines):
    """German invoices: 19 % tax, free shipping from 50 euros."""
    net = 0
    for line in lines:
        amount = line["price"] * line["count"]
        if line["count"] >= 10:
            amount = amount * 95 // 100
        net = net + amount
    if net < 5000:
        net = net + 490
    return net + (net * 19 + 50) // 100


def total_fr(lines):
    """French invoices: 20 % tax, free shipping from 60 euros."""
    net = 0
    for line in lines:
        amount = line["price"] * line["count"]
        if line["count"] > 9:
            amount = amount - (amount * 5 + 99) // 100
        net += amount
    if not net >= 6000:
        net += 490
    return net + (net * 20 + 50) // 100


def total_ch(lines):
    """Swiss invoices: 8.1 % tax, free shipping from 100 francs."""
    total = 0
    for line in lines:
        if line["count"] >= 10:
            total += line["count"] * line["price"] * 95 // 100
        else:
            total += line["count"] * line["price"]
    if total < 10000:
        total += 490
    return total + (total * 81 + 500) // 1000
