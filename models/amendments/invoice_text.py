from odoo import models
from odoo.tools import format_date

from ..billing.pricing import plain


class PsaProposal(models.Model):
    """Differences on the invoice: one line for each amendment and difference per hour, which says what it corrects."""

    _inherit = "psa.proposal"

    def _group_key(self, line):
        entry = line.entry_id
        if entry.kind != "adjustment":
            return super()._group_key(line)
        # A fee's difference stands alone; so do rises and cuts.
        alone = entry.id if entry.origin_entry_id.kind != "time" else None
        return entry.order_line_id.id, "adjustment", entry.amendment_id.id, alone, entry.rate, entry.amount < 0

    def _line_name(self, line):
        entries = line["lines"].entry_id
        if entries[:1].kind != "adjustment":
            return super()._line_name(line)
        env = self.with_context(lang=self.partner_id.lang).env
        amendment = entries[0].amendment_id
        what = env._(
            "Amendment %(number)s, %(name)s", number=amendment.number,
            name=", ".join(part for part in (amendment.name, amendment.clause) if part))
        if entries[0].origin_entry_id.kind != "time":
            return f"{line['order_line'].name}\n{what}\n{entries[0].origin_entry_id.description or ''}".rstrip()
        days = entries.mapped("work_date")
        return "\n".join((line["order_line"].name, what, env._(
            "%(hours)s h of %(first)s to %(last)s", hours=plain(sum(abs(entry.quantity) for entry in entries)),
            first=format_date(env, min(days)), last=format_date(env, max(days)))))
