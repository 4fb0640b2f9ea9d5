from difflib import SequenceMatcher

from odoo import api, fields, models
from odoo.tools import SQL

from ..sync.psa_value_map import CODES, RECORD_DOMAINS

COMPARED = 2000  # candidates of a kind
LEAST = 0.6


def _alike(one, other):
    one, other = one.casefold().strip(), other.casefold().strip()
    if one == other:
        return 1.0
    shared = set(one.split()) & set(other.split())
    return max(SequenceMatcher(None, one, other).ratio(), 0.6 + 0.1 * len(shared) if shared else 0.0)


class PsaValueMap(models.Model):
    """Help with unknown values: what waits for them, and what they probably mean."""

    _inherit = "psa.value.map"

    suggestion = fields.Reference(
        selection=lambda self: self._fields["target_ref"].selection, compute="_compute_suggestion",
        help="The record whose name is most like the value.")
    suggested_code = fields.Char(compute="_compute_suggestion")
    suggestion_name = fields.Char("Probably", compute="_compute_suggestion")
    risk_amount = fields.Monetary(
        "Money Waiting", compute="_compute_risk_amount", currency_field="risk_currency_id",
        help="What cannot be billed until the value is mapped, in the current company's currency.")
    risk_currency_id = fields.Many2one("res.currency", compute="_compute_risk_amount")

    @api.depends("source_value", "domain", "state")
    @api.depends_context("allowed_company_ids")
    def _compute_suggestion(self):
        self.update({"suggestion": False, "suggested_code": False, "suggestion_name": False})
        unknown = self.filtered(lambda row: row.state == "unknown" and row.source_value)
        for domain, rows in unknown.grouped("domain").items():
            candidates = [(code, code.replace("_", " ")) for code in CODES.get(domain, ())]
            Target = self.env[RECORD_DOMAINS[domain]] if domain in RECORD_DOMAINS else None
            if Target is not None and Target.has_access("read"):
                candidates += [(record, record.display_name) for record in Target.search([], limit=COMPARED)]
            for row in rows:
                score, best = max(
                    ((_alike(row.source_value, name), index) for index, (_target, name) in enumerate(candidates)),
                    default=(0, None))
                if score < LEAST:
                    continue
                target, name = candidates[best]
                row.suggestion_name = name
                if isinstance(target, str):
                    row.suggested_code = target
                else:
                    row.suggestion = f"{target._name},{target.id}"

    @api.depends_context("company")
    def _compute_risk_amount(self):
        company, today = self.env.company, fields.Date.context_today(self)
        keys = {row: row._held_keys() for row in self if row.id}
        sums = {}
        if all_keys := sorted(set().union(*keys.values())):
            self.env["psa.message"].flush_model(["wait_key", "state", "risk_amount", "company_id"])
            for key, company_id, amount in self.env.execute_query(SQL(
                    """
                    SELECT wait_key, company_id, SUM(risk_amount) FROM psa_message
                     WHERE wait_key = ANY(%s) AND state IN ('waiting', 'held') GROUP BY wait_key, company_id
                    """, all_keys)):
                currency = self.env["res.company"].sudo().browse(company_id).currency_id
                sums[key] = sums.get(key, 0.0) + currency._convert(
                    float(amount or 0), company.currency_id, company, today)
        for row in self:
            row.risk_currency_id = company.currency_id
            row.risk_amount = sum(sums.get(key, 0.0) for key in keys.get(row, ()))

    def action_use_suggestion(self):
        """Say that the value means what it is most like; what it held goes on."""
        self.check_access("write")
        for row in self:
            if row.suggestion:
                row.target_ref = row.suggestion
            elif row.suggested_code:
                row.target_code = row.suggested_code
        return True
