from odoo import api, fields, models

from ..desk.exception import OPEN_STATES


class PsaExceptionBanner(models.AbstractModel):
    """Tells on a business record's own page that something of it is held, and how much money waits.

    Everyone who may see the record sees the sum (it is about that record); users of the hub can open the exceptions.
    """

    _name = "psa.exception.banner"
    _description = "Held-Up Banner"

    # field of psa.exception that leads to the record
    _psa_exception_link = None

    psa_exception_count = fields.Integer("Exceptions", compute="_compute_psa_exceptions", compute_sudo=True)
    psa_exception_amount = fields.Monetary(
        "Money at Risk", compute="_compute_psa_exceptions", compute_sudo=True,
        currency_field="psa_exception_currency_id", help="In the currency of the current company, at today's rate.",
    )
    psa_exception_currency_id = fields.Many2one(
        "res.currency", "Currency of Money at Risk", compute="_compute_psa_exceptions", compute_sudo=True)

    @api.depends_context("allowed_company_ids")
    def _compute_psa_exceptions(self):
        currency = self.env.company.currency_id
        today = fields.Date.context_today(self)
        subjects = self._psa_exception_subjects()
        totals = {}
        for subject, company, count, amount in self.env["psa.exception"]._read_group(
            [
                (self._psa_exception_link, "in", list(set(subjects.values()))),
                ("state", "in", OPEN_STATES),
                ("company_id", "in", self.env.companies.ids),
            ],
            [self._psa_exception_link, "company_id"],
            ["__count", "amount:sum"],
        ):
            seen = totals.setdefault(subject.id, [0, 0.0])
            seen[0] += count
            seen[1] += company.currency_id._convert(amount, currency, company, today)
        for record in self:
            record.psa_exception_currency_id = currency
            record.psa_exception_count, record.psa_exception_amount = totals.get(subjects.get(record.id), (0, 0.0))

    def _psa_exception_subjects(self):
        """Return ``{own id: id that exceptions point to}``."""
        return {record.id: record.id for record in self if record.id}

    def action_psa_exceptions(self):
        """The open exceptions of this record."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception")
        action["domain"] = [(self._psa_exception_link, "in", list(set(self._psa_exception_subjects().values())))]
        return action

    def _psa_entries_action(self, domain):
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_entry")
        action["domain"] = domain
        return action
