from odoo import fields, models
from odoo.tools import SQL


class ResPartner(models.Model):
    """What a customer owes and has paid, for the systems that want to know."""

    _inherit = "res.partner"

    def _psa_send_account(self, company):
        """Put the accounts of these customers at ``company`` into the outbox where they differ from what was told."""
        values = self._psa_account_status(company)
        self.env["psa.message"]._emit(
            "account_status", [(partner, values[partner]) for partner in self], company=company)

    def _psa_account_status(self, company):
        """Return ``{partner: account_status values}``, in the currency of the company, in one query.

        What is paid is what was invoiced and is neither open nor credited: money on the customer's account that
        belongs to no invoice yet does not count.
        """
        today = fields.Date.context_today(self)
        currency = company.currency_id
        self.env["account.move"].flush_model()
        rows = {row[0]: row[1:] for row in self.env.execute_query(SQL(
            """
            SELECT commercial_partner_id,
                   COALESCE(SUM(amount_total_signed) FILTER (WHERE move_type = 'out_invoice'), 0),
                   COALESCE(-SUM(amount_total_signed) FILTER (WHERE move_type = 'out_refund'), 0),
                   COALESCE(SUM(amount_residual_signed), 0),
                   COALESCE(SUM(amount_residual_signed) FILTER (
                       WHERE move_type = 'out_invoice' AND invoice_date_due < %(today)s), 0),
                   (ARRAY_AGG(name ORDER BY invoice_date DESC, id DESC) FILTER (WHERE move_type = 'out_invoice'))[1],
                   MAX(invoice_date) FILTER (WHERE move_type = 'out_invoice')
              FROM account_move
             WHERE company_id = %(company)s AND state = 'posted' AND move_type IN ('out_invoice', 'out_refund')
               AND commercial_partner_id = ANY(%(partners)s)
          GROUP BY commercial_partner_id
            """, today=today, company=company.id, partners=self.ids))}
        result = {}
        for partner in self:
            invoiced, credited, due, overdue, number, day = rows.get(partner.id, (0, 0, 0, 0, None, None))
            result[partner] = {
                "currency": currency.name,
                **{name: f"{amount:.{currency.decimal_places}f}" for name, amount in (
                    ("invoiced", invoiced), ("paid", invoiced - credited - due), ("due", due), ("overdue", overdue),
                    ("credited", credited))},
                "last_invoice": number or "",
                "last_invoice_date": day.isoformat() if day else "",
                "updated_on": today.isoformat(),
            }
        return result
