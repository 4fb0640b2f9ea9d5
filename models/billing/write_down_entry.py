from odoo import fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

from .cap_book import ZERO
from .entry import QUANTITY_DIGITS
from .pricing import decimal_of


class ResCompany(models.Model):
    _inherit = "res.company"

    psa_write_down_limit = fields.Monetary(
        "Write-down Limit of Reviewers", default=500.0,
        help="A reviewer writes down at most this much alone; above it another person has to approve.")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_write_down_limit = fields.Monetary(
        related="company_id.psa_write_down_limit", readonly=False, currency_field="company_currency_id")


class PsaEntry(models.Model):
    """What approved write-downs take off an entry, each with its reason."""

    _inherit = "psa.entry"

    written_down_quantity = fields.Float(
        "Hours Written Down", digits=QUANTITY_DIGITS, readonly=True, help="Hours that the invoice does not show.")
    write_down_line_ids = fields.One2many("psa.write.down.line", "entry_id", "Write-downs", readonly=True)

    # === DECIDING === #
    def _decide(self, rows):
        """Read the approved write-downs of all rows at once."""
        by_entry = self.env["psa.write.down.line"].sudo().search(
            [("entry_id", "in", [row["entry"].id for row in rows if row["entry"]])]).grouped("entry_id")
        for row in rows:
            lines = by_entry.get(row["entry"], ()) if row["entry"] else ()
            row["had_write_downs"] = bool(lines)
            row["write_downs"] = [line for line in lines if line.state == "approved"]
            row["written_down_quantity"] = ZERO
        return super()._decide(rows)

    def _deduct_written_down(self, rows):
        """Take off each approved write-down with its reason, as far as there is worth to write down."""
        for row in rows:
            for line in row["write_downs"]:
                amount = min(decimal_of(line.amount), row["amount"])
                if amount <= 0:
                    continue
                quantity = min(decimal_of(line.quantity), row["quantity"]) if line.quantity else ZERO
                self._take_off(
                    row, "written_down", amount, quantity, reason=line.reason_id.name,
                    comment=line.write_down_id.comment or None, by=line.write_down_id.decided_by.name)

    def _values(self, row, exceptions, now):
        return {
            **super()._values(row, exceptions, now),
            "written_down_quantity": float(row["written_down_quantity"]),
        }

    def _after_store(self, rows):
        """Let the write-downs tell what they take off now: their sum is always the entries'."""
        result = super()._after_store(rows)
        entries = self.browse([row["entry"].id for row in rows if row["had_write_downs"]])
        if not entries:
            return result
        self.env.flush_all()
        Line = self.env["psa.write.down.line"]
        self.env.execute_query(SQL(
            """
            UPDATE psa_write_down_line line
               SET applied_amount = part.applied
              FROM (
                  SELECT line.id, CASE WHEN line.state = 'approved' THEN GREATEST(0, LEAST(
                             line.amount,
                             COALESCE(entry.written_down_amount, 0) - COALESCE(SUM(line.amount)
                                 FILTER (WHERE line.state = 'approved') OVER (
                                     PARTITION BY line.entry_id ORDER BY line.id
                                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)
                         )) ELSE 0 END AS applied
                    FROM psa_write_down_line line
                    JOIN psa_entry entry ON entry.id = line.entry_id
                   WHERE line.entry_id = ANY(%s)
              ) AS part
             WHERE part.id = line.id AND line.applied_amount IS DISTINCT FROM part.applied
            RETURNING line.id
            """,
            entries.ids,
        ))
        Line.invalidate_model(["applied_amount"])
        return result

    # === ACTIONS === #
    def action_write_down(self):
        """Open the dialog that writes these down."""
        if not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may write down."))
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Write Down"),
            "res_model": "psa.write.down",
            "views": [(self.env.ref("psa_hub.psa_write_down_view_form_dialog").id, "form")],
            "target": "new",
            "context": {"default_entry_ids": [fields.Command.set(self.ids)]},
        }

    def action_waive(self, reason):
        """What is billed in part because of a cap loses only what is over it."""
        over = self.filtered(lambda entry: entry.state == "approved" and entry.over_cap_amount)
        result = super(PsaEntry, self - over).action_waive(reason)
        if over:
            over._check_may_waive()
            self.env["psa.write.down"]._give_up_over_cap(over.sudo(), reason)
        return result


class PsaProposalLine(models.Model):
    _inherit = "psa.proposal.line"

    def action_write_down(self):
        """Open the dialog that writes the entries of these lines down."""
        self.check_access("read")
        return self.entry_id.action_write_down()
