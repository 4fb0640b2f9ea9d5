"""Sharing out an amount so that the parts sum to it to the last unit."""

from decimal import ROUND_HALF_UP, Decimal

_NO_DECIMALS = frozenset((
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF"))
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


def smallest_unit(currency):
    """Return the smallest amount of an ISO 4217 currency (``Decimal("0.01")`` for most, and when unknown)."""
    if currency in _NO_DECIMALS:
        return Decimal(1)
    return Decimal("0.001") if currency in _THREE_DECIMALS else Decimal("0.01")


def distribute(total, weights, unit):
    """Share ``total`` out in proportion to ``weights``, rounded to ``unit``; the last weighted part takes the rest.

    :param total: Decimal; it need not be a multiple of ``unit`` (the rest then is not either)
    :param weights: Decimals; parts with weight 0 get 0. When they sum to 0 (corrections that cancel out) the last
        weighted part gets all
    :return: list of Decimals that sum to ``total`` exactly
    """
    shares = [Decimal(0)] * len(weights)
    places = [index for index, weight in enumerate(weights) if weight]
    if not places:
        if total:
            raise ValueError("an amount without a part to carry it")
        return shares
    whole = sum(weights)
    if whole:
        for index in places[:-1]:
            shares[index] = (total * weights[index] / whole).quantize(unit, ROUND_HALF_UP)
    shares[places[-1]] = total - sum(shares)
    return shares
