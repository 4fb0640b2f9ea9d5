from odoo import fields, models, tools
from odoo.tools import SQL

from .entry import QUANTITY_DIGITS


class PsaRetainerStatement(models.Model):
    """What happened to a retainer in each of its periods, read from its ledger."""

    _name = "psa.retainer.statement"
    _description = "Retainer Statement"
    _auto = False
    _order = "retainer_id, period_start desc"
    _rec_name = "period_start"
    _depends = {
        "psa.retainer": ["anchor_date", "period", "date_start", "order_id", "partner_id", "company_id", "currency_id",
                         "unit"],
        "psa.retainer.move": ["retainer_id", "date", "kind", "units"],
    }

    retainer_id = fields.Many2one("psa.retainer", readonly=True)
    order_id = fields.Many2one("sale.order", "Contract", readonly=True)
    partner_id = fields.Many2one("res.partner", "Customer", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    unit = fields.Selection([("amount", "Money"), ("hours", "Hours")], "Counts", readonly=True)
    period_start = fields.Date("From", readonly=True)
    period_end = fields.Date("To", readonly=True)
    opening = fields.Float(digits=QUANTITY_DIGITS, readonly=True, aggregator=None)
    added = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    drawn = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    expired = fields.Float(digits=QUANTITY_DIGITS, readonly=True)
    rolled_over = fields.Float(
        digits=QUANTITY_DIGITS, readonly=True, aggregator=None,
        help="What the period hands on to the next one. Empty while the period goes on.")
    closing = fields.Float(digits=QUANTITY_DIGITS, readonly=True, aggregator=None)

    def init(self):
        tools.drop_view_if_exists(self.env.cr, self._table)
        # Periods are counted from the anchor that the retainer keeps; without periods there is one, open, statement.
        self.env.cr.execute(SQL(
            """
            CREATE VIEW psa_retainer_statement AS
            WITH span AS (
                SELECT retainer.id AS retainer_id, retainer.anchor_date AS anchor,
                       CASE retainer.period WHEN 'month' THEN 1 WHEN 'quarter' THEN 3 WHEN 'year' THEN 12 END AS months,
                       LEAST(retainer.date_start, MIN(move.date)) AS first_day,
                       GREATEST(CURRENT_DATE, retainer.date_start, MAX(move.date)) AS last_day
                  FROM psa_retainer retainer
             LEFT JOIN psa_retainer_move move ON move.retainer_id = retainer.id
              GROUP BY retainer.id
            ), period AS (
                SELECT retainer_id, 0 AS number, first_day AS starts, last_day AS ends
                  FROM span WHERE months IS NULL
             UNION ALL
                SELECT retainer_id, number,
                       (anchor + make_interval(months => months * number))::date,
                       (anchor + make_interval(months => months * (number + 1)))::date - 1
                  FROM span, generate_series(
                      FLOOR((EXTRACT(year FROM AGE(first_day, anchor)) * 12
                             + EXTRACT(month FROM AGE(first_day, anchor))) / months)::int - 1,
                      CEIL((EXTRACT(year FROM AGE(last_day, anchor)) * 12
                            + EXTRACT(month FROM AGE(last_day, anchor))) / months)::int + 1
                  ) AS number
                 WHERE months IS NOT NULL
                   AND (anchor + make_interval(months => months * (number + 1)))::date > first_day
                   AND (anchor + make_interval(months => months * number))::date <= last_day
            ), total AS (
                SELECT period.retainer_id, period.number, period.starts, period.ends,
                       COALESCE(SUM(move.units) FILTER (WHERE move.kind IN ('opening', 'added')), 0) AS added,
                       COALESCE(-SUM(move.units) FILTER (WHERE move.kind = 'drawn'), 0) AS drawn,
                       COALESCE(-SUM(move.units) FILTER (WHERE move.kind = 'expired'), 0) AS expired
                  FROM period
             LEFT JOIN psa_retainer_move move
                    ON move.retainer_id = period.retainer_id AND move.date BETWEEN period.starts AND period.ends
              GROUP BY period.retainer_id, period.number, period.starts, period.ends
            ), running AS (
                SELECT total.*,
                       SUM(added - drawn - expired) OVER (PARTITION BY retainer_id ORDER BY number) AS closing
                  FROM total
            )
            SELECT ROW_NUMBER() OVER (ORDER BY running.retainer_id, number)::int AS id,
                   running.retainer_id, retainer.order_id, retainer.partner_id, retainer.company_id,
                   retainer.currency_id, retainer.unit,
                   starts AS period_start, ends AS period_end,
                   closing - added + drawn + expired AS opening, added, drawn, expired,
                   CASE WHEN ends < CURRENT_DATE THEN closing ELSE 0 END AS rolled_over,
                   closing
              FROM running JOIN psa_retainer retainer ON retainer.id = running.retainer_id
            """
        ))
