from odoo import models
from odoo.tools import format_date

from ..billing.pricing import plain


class PsaProposal(models.Model):
    """Differences on the invoice: one line for each amendment and difference per hour, which says what it corrects."""

    _inherit = "psa.proposal"

    def _line_name(self, line, partner):
        rows = [piece.row for piece in line.pieces]
        if rows[0].kind != "adjustment":
            return super()._line_name(line, partner)
        env = self.with_context(lang=partner.lang).env
        first = env["psa.entry"].browse(rows[0].entry_id)
        amendment, name = first.amendment_id, line.order_line.with_env(env).name
        what = env._(
            "Amendment %(number)s, %(name)s", number=amendment.number,
            name=", ".join(part for part in (amendment.name, amendment.clause) if part))
        if not rows[0].difference:
            return f"{name}\n{what}\n{first.origin_entry_id.description or ''}".rstrip()
        days = [row.work_date for row in rows]
        return "\n".join((name, what, env._(
            "%(hours)s h of %(first)s to %(last)s", hours=plain(sum(abs(row.quantity) for row in rows)),
            first=format_date(env, min(days)), last=format_date(env, max(days)))))
