"""How an amount comes about, in exact decimals, and the trace that lets a clerk recompute it.

Plain Python: hours and rates are :class:`~decimal.Decimal`; the only rounding is the currency's own, once, at the end.
"""

from decimal import ROUND_HALF_UP, Decimal

QUANTITY_STEP = Decimal("0.000001")


def decimal_of(value):
    """Return ``value`` (Decimal, int, float, decimal string or empty) as a Decimal, floats by their shortest form."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        return Decimal(repr(value))
    return Decimal(value or 0)


def quantity_of(value):
    """Return ``value`` as the Decimal that the ledger keeps: six decimals, half up."""
    return decimal_of(value).quantize(QUANTITY_STEP, ROUND_HALF_UP)


def plain(number):
    """Return a Decimal or float as the shortest plain decimal string (``1125``, ``7.5``, never ``1E+3``)."""
    text = format(decimal_of(number), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def round_amount(exact, currency):
    """Round the Decimal ``exact`` half up to the smallest unit of ``currency`` (anything with a ``rounding``).

    :return: Decimal, a multiple of the currency's rounding, zero without a sign
    """
    step = decimal_of(currency.rounding)
    return (exact / step).quantize(Decimal(1), ROUND_HALF_UP) * step + 0


def price_hours(hours, found, tried, currency):
    """Price hours at a found rate.

    :param hours: Decimal, negative corrects
    :param found: :class:`~.rate_find.FoundRate`
    :param tried: scopes that were looked up before, most specific first
    :param currency: the contract's ``res.currency``
    :return: ``(amount Decimal, trace dict)``
    """
    exact = hours * found.amount
    amount = round_amount(exact, currency)
    trace = {
        "rule": "hours_times_rate",
        "hours": plain(hours),
        "rate": plain(found.amount),
        "rate_id": found.id,
        "scope": found.scope,
        "tried": list(tried),
        "valid_from": found.date_from and found.date_from.isoformat(),
        "valid_to": found.date_to and found.date_to.isoformat(),
        "exact": plain(exact),
        "currency": currency.name,
        "rounding": plain(currency.rounding),
        "amount": plain(amount),
    }
    if found.card_name:
        trace["rate_card"] = found.card_name
    if found.amendment_id:
        trace["amendment_id"], trace["clause"] = found.amendment_id, found.clause
    if found.scope == "contract_blended":
        trace["card"] = compare_with_card(hours, amount, found.card_rate, currency)
    return amount, trace


def compare_with_card(hours, amount, card_rate, currency):
    """Return what the rate cards would have made of hours at a blended rate, and the variance to it (blended - card).

    :param card_rate: :class:`~.rate_find.FoundRate`, or None: the cards have no rate for this work
    """
    if not card_rate:
        return {"rate": None, "variance": None}
    card_amount = round_amount(hours * card_rate.amount, currency)
    return {
        "scope": card_rate.scope,
        "rate": plain(card_rate.amount),
        "rate_card": card_rate.card_name,
        "amount": plain(card_amount),
        "variance": plain(amount - card_amount),
    }


def price_fixed(fixed, source, currency):
    """Take an agreed amount.

    :param fixed: Decimal
    :param source: what states the amount: ``milestone``, ``expense`` or ``fee``
    :return: ``(amount Decimal, trace dict)``
    """
    amount = round_amount(fixed, currency)
    return amount, {
        "rule": "agreed_amount",
        "source": source,
        "exact": plain(fixed),
        "currency": currency.name,
        "rounding": plain(currency.rounding),
        "amount": plain(amount),
    }
