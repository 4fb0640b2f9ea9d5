"""What contracts are worth at a moment: to bill, held, taxes, totals. Aggregated by the database."""

from dataclasses import dataclass, field

from odoo.tools import SQL


@dataclass(slots=True)
class Worth:
    """Sums of one contract in its currency.

    :param lines: ``{order line id: approved amount}``
    :param taxes: ``{order line id: tuple of tax ids}`` of all lines that have entries
    """

    count: int = 0
    amount: float = 0.0
    held: float = 0.0
    total: float = 0.0
    partner: int = 0
    lines: dict = field(default_factory=dict)
    taxes: dict = field(default_factory=dict)


def snapshot(env, company_ids):
    """Return ``{(order id, currency id): Worth}`` of all contracts of the companies: three statements."""
    env.flush_all()
    result = {}
    for order_id, currency_id, line_id, count, amount, held in env.execute_query(SQL(
            """
            SELECT order_id, currency_id, order_line_id, COUNT(*) FILTER (WHERE state = 'approved'),
                   COALESCE(SUM(amount) FILTER (WHERE state = 'approved'), 0),
                   COALESCE(SUM(gross_amount) FILTER (WHERE state = 'held'), 0)
              FROM psa_entry WHERE company_id = ANY(%s) GROUP BY order_id, currency_id, order_line_id
            """, company_ids)):
        worth = result.setdefault((order_id, currency_id), Worth())
        worth.count += count
        worth.amount += float(amount)
        worth.held += float(held)
        if line_id:
            worth.lines[line_id] = float(amount)
    for order_id, currency_id, partner_id, total in env.execute_query(SQL(
            """
            SELECT sale_order.id, sale_order.currency_id, partner_id, amount_untaxed FROM sale_order
             WHERE company_id = ANY(%s) AND currency_id IS NOT NULL
            """, company_ids)):
        worth = result.setdefault((order_id, currency_id), Worth())
        worth.partner, worth.total = partner_id, float(total or 0)
    relation = env["sale.order.line"]._fields["tax_ids"]
    taxes = dict(env.execute_query(SQL(
        "SELECT %(line)s, array_agg(%(tax)s ORDER BY %(tax)s) FROM %(table)s rel "
        "JOIN sale_order_line line ON line.id = rel.%(line)s WHERE line.company_id = ANY(%(companies)s) "
        "GROUP BY %(line)s",
        line=SQL.identifier(relation.column1), tax=SQL.identifier(relation.column2),
        table=SQL.identifier(relation.relation), companies=company_ids)))
    for worth in result.values():
        worth.taxes = {line_id: tuple(taxes.get(line_id, ())) for line_id in worth.lines}
    return result


def tax_of(env, worths):
    """Return ``{key: tax}`` of some of a snapshot, by Odoo's own computation, while its contracts are in the database.

    :param worths: ``{(order id, currency id): Worth}``
    """
    AccountTax, result = env["account.tax"], {}
    lines = env["sale.order.line"].browse({line for worth in worths.values() for line in worth.lines}).exists()
    by_id = {line.id: line for line in lines}
    for key, worth in worths.items():
        base_lines = [
            by_id[line_id]._prepare_base_line_for_taxes_computation(
                quantity=1.0, price_unit=amount, discount=0.0, extra_tax_data={},
                tax_ids=by_id[line_id].tax_ids)
            for line_id, amount in worth.lines.items() if amount and line_id in by_id]
        result[key] = 0.0
        if base_lines:
            company = base_lines[0]["record"].company_id
            AccountTax._add_tax_details_in_base_lines(base_lines, company)
            AccountTax._round_base_lines_tax_details(base_lines, company)
            totals = AccountTax._get_tax_totals_summary(
                base_lines, env["res.currency"].browse(key[1]), company)
            result[key] = totals["tax_amount_currency"]
    return result
