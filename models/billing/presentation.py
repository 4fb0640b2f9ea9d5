"""How a sum of entries stands on one invoice line, so that the posted total is the ledger's, to the cent.

An invoice line says *quantity x price*, and Odoo rounds their product. The ledger says *sum of amounts*, each rounded
for itself. When the two agree, the line shows the agreed rate. When they do not (many small roundings add up), the
line keeps the quantity, so that Odoo's invoiced quantity stays right, and shows the average price instead: the price
with the fewest decimals that gives exactly the sum. A line is never split and hours never disappear into "1 x amount".

Plain Python, exact decimals.
"""

from decimal import ROUND_HALF_UP, Decimal

from .pricing import decimal_of, round_amount

# With taxes rounded on the whole document Odoo adds unrounded lines up: they must be the sum itself.
_EXACT = Decimal("1e-9")
_HALF = Decimal("0.4999")


def line_figures(quantity, rate, amount, currency, *, digits, globally):
    """Return the ``(quantity, price)`` of an invoice line whose total is exactly ``amount``.

    :param quantity: Decimal, in the unit of the invoice line
    :param rate: Decimal, agreed price of one unit
    :param amount: Decimal, sum of the entries' amounts
    :param currency: anything with a ``rounding``
    :param digits: decimals that Odoo keeps of a quantity
    :param globally: whether the company rounds taxes on the whole document
    :return: two Decimals; the quantity is never zero when the amount is not
    """
    step = Decimal(1).scaleb(-digits)
    quantity = quantity.quantize(step, ROUND_HALF_UP)
    if not quantity:
        if not amount:
            return Decimal(0), rate
        quantity = step.copy_sign(amount)

    # Odoo multiplies and rounds floats: a product on the very edge between two amounts is not relied on.
    tolerance = _EXACT if globally else decimal_of(currency.rounding) * _HALF

    def gives_the_sum(price):
        return abs(quantity * price - amount) < tolerance

    if gives_the_sum(rate):
        return quantity, rate
    average = amount / quantity
    for decimals in range(2, 15):
        price = average.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        if gives_the_sum(price):
            return quantity, price
    return quantity, average


def group_sum(parts):
    """Add up ``(quantity, amount)`` pairs (Decimals or floats)."""
    quantity = amount = Decimal(0)
    for part_quantity, part_amount in parts:
        quantity += decimal_of(part_quantity)
        amount += decimal_of(part_amount)
    return quantity, amount


def spread(parts, amount, currency):
    """Take ``amount`` from ``parts`` one after the other, as far as it goes.

    The rule of partial credits: the caller orders the parts (newest work first); each is taken whole until the rest
    fits into one, of which only that much is taken, with its quantity in proportion. Parts of the other sign are left
    alone unless everything is taken.

    :param parts: list of ``(key, quantity, amount)`` with Decimals: what is still there
    :param amount: Decimal to take, of the sign of the sum of the parts
    :return: list of ``(key, quantity, amount)`` taken; never more than there is
    """
    total = sum((part[2] for part in parts), Decimal(0))
    if not amount or not total or (amount < 0) != (total < 0):
        return []
    if abs(amount) >= abs(total):
        return [part for part in parts if part[1] or part[2]]
    taken, rest = [], amount
    for key, quantity, available in parts:
        if not rest:
            break
        if not available or (available < 0) != (amount < 0):
            continue
        if abs(available) <= abs(rest):
            taken.append((key, quantity, available))
            rest -= available
            continue
        share = (quantity * rest / available).quantize(Decimal("0.000001"), ROUND_HALF_UP)
        taken.append((key, share, round_amount(rest, currency)))
        rest = Decimal(0)
    return taken
