from odoo import models

from .entry_kinds import HELD_CAUSES


class PsaEntry(models.Model):
    """The exception of a held row: one for all rows that lack the same thing."""

    _inherit = "psa.entry"

    def _exception_key(self, row):
        """Return ``(cause, subject key)``: what is missing once is one exception, however much waits for it."""
        return HELD_CAUSES[row["held_for"]], getattr(self, f"_held_{row['held_for']}")(row)[0]

    def _exception_spec(self, row):
        """Return the :meth:`psa.exception._raise` spec of a held row.

        Each reason has a method ``_held_<reason>(row)`` that returns ``(subject key, plain sentence)`` and, where it is
        not the contract, a third part: the record to show.
        """
        subject_key, text, *record = getattr(self, f"_held_{row['held_for']}")(row)
        record = record[0] if record else self.env["sale.order"].browse(row["order_id"])
        return {
            "cause": HELD_CAUSES[row["held_for"]],
            "subject_key": subject_key,
            "text": text,
            "company_id": row["company_id"],
            "res_model": record._name,
            "res_id": record.id,
            "order_id": row["order_id"],
            "partner_id": row["partner_id"],
            "project_id": row["project_id"],
        }

    # === ONE METHOD A REASON === #
    def _held_missing_rate(self, row):
        order = self._order_of(row)
        person = self.env["hr.employee"].browse(row["employee_id"]).name or self.env._("work without a person")
        role = self.env["psa.role"].browse(row["role_id"]).name or self.env._("no role")
        return f"rate:{order.id}:{row['employee_id'] or 0}:{row['role_id'] or 0}", self.env._(
            "No rate for %(person)s (%(role)s) on %(contract)s of %(customer)s on %(date)s",
            person=person, role=role, contract=order.name, customer=order.partner_id.name, date=row["work_date"],
        )

    def _held_no_line(self, row):
        order = self._order_of(row)
        label = dict(self._fields["kind"]._description_selection(self.env))[row["kind"]]
        return f"line:{order.id}:{row['kind']}", self.env._(
            "The contract %(contract)s of %(customer)s has no line that bills this: %(kind)s",
            contract=order.name, customer=order.partner_id.name, kind=label,
        )

    def _held_currency_mismatch(self, row):
        order = self._order_of(row)
        return f"currency:{order.id}:{row['source_currency_id']}", self.env._(
            "%(contract)s of %(customer)s is in %(currency)s, but work on it came in %(other)s",
            contract=order.name, customer=order.partner_id.name, currency=order.currency_id.name,
            other=self.env["res.currency"].browse(row["source_currency_id"]).name,
        )

    def _order_of(self, row):
        return self.env["sale.order"].browse(row["order_id"])
