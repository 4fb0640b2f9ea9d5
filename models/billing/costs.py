"""What a cost comes to for the customer: exchange, mark-up, per diem, in exact decimals with a trace.

Plain Python. A cost is converted and marked up exactly and rounded once, at the end, as the contract's currency does.
"""

from datetime import date
from decimal import Decimal, localcontext
from typing import NamedTuple

from .pricing import decimal_of, plain, round_amount

# An exchange rate is kept to as many digits as a rate entered by a person survives in Odoo's own column, so that the
# trace shows the very number that was used.
_RATE_DIGITS = 14


class Conversion(NamedTuple):
    """How an amount of one currency becomes an amount of the contract's.

    :param factor: units of the contract's currency for one unit of the other
    :param rule: the contract's rule (``work_date`` ...)
    :param day: the date that the rule names; None for a fixed rate
    :param rate_date: the date of the rate that was in force then; None for a fixed rate
    """

    factor: Decimal
    rule: str
    day: date | None
    rate_date: date | None

    def trace(self, currency, target):
        return {
            "rule": self.rule,
            "from": currency.name,
            "to": target.name,
            "date": self.day and self.day.isoformat(),
            "rate_date": self.rate_date and self.rate_date.isoformat(),
            "rate": plain(self.factor),
        }


def cross_rate(from_rate, to_rate):
    """Return what one unit of a currency is in another one, from Odoo's rates of both to their common base.

    :param from_rate, to_rate: Decimals: units of the currency for one unit of the base
    """
    with localcontext() as context:
        context.prec = _RATE_DIGITS
        return +(to_rate / from_rate)


def price_cost(cost, currency, conversion=None, markup=Decimal(0)):
    """Pass a cost on.

    :param cost: Decimal in its own currency, negative for a refund
    :param currency: the contract's ``res.currency``
    :param conversion: :class:`Conversion` when the cost is in another currency
    :param markup: percent, Decimal
    :return: ``(amount, cost in the contract's currency, exact amount)``, Decimals, the first two rounded
    """
    converted = cost * conversion.factor if conversion else cost
    exact = converted * (1 + decimal_of(markup) / 100)
    return round_amount(exact, currency), round_amount(converted, currency), exact


def closing_trace(exact, amount, currency):
    """Return the last lines of every trace: what was rounded, how, to what."""
    return {
        "exact": plain(exact),
        "currency": currency.name,
        "rounding": plain(currency.rounding),
        "amount": plain(amount),
    }
