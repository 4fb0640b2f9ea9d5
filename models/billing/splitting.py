"""How an invoice line is divided between customers in percent, so that the parts are the whole, to the last cent.

Each customer gets its percentage of the line, rounded once; the named one gets what is left. Below the line every entry
is divided the same way, and no part ever exceeds the entry or has the other sign: an entry may be credited for one
customer and billed again without touching the others.

Plain Python, exact decimals.
"""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import NamedTuple

_HALF = Decimal("0.5")


class Part(NamedTuple):
    """What one customer bears.

    :param key: who, anything
    :param weight: Decimal; a percentage, or what the customer still has to bear
    :param takes_rest: whether the rounding goes here; of exactly one part
    """

    key: object
    weight: Decimal
    takes_rest: bool


def divide(numbers, parts, step):
    """Divide each of ``numbers`` between ``parts``.

    :param numbers: list of Decimals, multiples of ``step``, of any sign
    :param parts: list of :class:`Part`, one of them takes the rest; weights not negative, their sum positive
    :param step: Decimal, the smallest unit
    :return: ``{key: [Decimals]}`` in the order of ``numbers``; for each number the parts add up to it, and each lies
        between zero and it
    """
    whole, weights = sum(numbers, Decimal(0)), sum(part.weight for part in parts)
    left, weight_left, divided = list(numbers), weights, {}
    for part in parts:
        if part.takes_rest:
            continue
        total = sum(left, Decimal(0))
        wanted = _clip(_half_up(whole * part.weight / weights, step), total)
        taken = take_from(left, wanted, step, part.weight / weight_left)
        left = [number - take for number, take in zip(left, taken, strict=True)]
        weight_left -= part.weight
        divided[part.key] = taken
    for part in parts:
        if part.takes_rest:
            divided[part.key] = left
    return divided


def take_from(numbers, wanted, step, ratio=Decimal(0)):
    """Take ``wanted`` from ``numbers`` in proportion; the running sum is rounded, so that it comes out exactly.

    :param numbers: list of Decimals, multiples of ``step``, of any sign
    :param wanted: Decimal between zero and their sum, a multiple of ``step``
    :param ratio: what to take of each when they add up to zero
    :return: list of Decimals, each between zero and its number
    """
    total = sum(numbers, Decimal(0))
    taken, running, before = [], Decimal(0), Decimal(0)
    for number in numbers:
        running += number
        exact = running * wanted / total if total else running * ratio
        # Rounded by the same rule wherever the sum stands: a part is then never larger than its number.
        now = (exact / step + _HALF).quantize(Decimal(1), ROUND_FLOOR) * step
        taken.append(now - before)
        before = now
    return taken


def _half_up(exact, step):
    return (exact / step).quantize(Decimal(1), ROUND_HALF_UP) * step


def _clip(wanted, total):
    """Return ``wanted``, but at most ``total`` and not of the other sign."""
    return max(min(wanted, max(total, 0)), min(total, 0))
