"""Stripe's whole numbers and decimal amounts.

``currencies.json`` says ``{currency: [decimals, step]}`` for those that are not ``[2, 1]``: how many decimals the whole
number has, and of what it must be a multiple (the last of three decimals is 0; some currencies without decimals are
still written with two).
"""

from decimal import Decimal, InvalidOperation

from .. import datafile
from ..errors import DataError

_CURRENCIES = datafile.read(__file__, "currencies.json")


def from_minor(amount, currency):
    """Return the decimal text of a whole number of smallest units (``480000`` ``eur`` -> ``4800.00``); None stays."""
    if amount is None:
        return None
    decimals, _step = _CURRENCIES.get((currency or "").lower(), (2, 1))
    return format(Decimal(amount).scaleb(-decimals), "f")


def to_minor(amount, currency):
    """Return the whole number for a decimal text.

    :raise DataError: not a positive amount that the currency can be paid in
    """
    decimals, step = _CURRENCIES.get(currency.lower(), (2, 1))
    try:
        units = Decimal(amount).scaleb(decimals)
        payable = units > 0 and units % step == 0
    except InvalidOperation:
        payable = False  # not a number
    if not payable:
        raise DataError(f"{amount} {currency} cannot be paid on a page: it is no positive amount of that currency",
                        "amount")
    return int(units)
