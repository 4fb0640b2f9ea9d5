from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..billing.entry_kinds import HUSH

_ACCEPTANCE_FIELDS = {"psa_accepted_on", "psa_evidence_ids"}


class ProjectMilestone(models.Model):
    """The customer's acceptance of a milestone: when, by whom, and the signed paper."""

    _inherit = "project.milestone"

    psa_acceptance_required = fields.Boolean(
        related="sale_line_id.psa_acceptance_required", string="Acceptance Required")
    psa_evidence_required = fields.Boolean(
        related="sale_line_id.psa_evidence_required", string="Signed Evidence Required")
    psa_accepted_on = fields.Date("Accepted On", copy=False, readonly=True)
    psa_accepted_name = fields.Char("Accepted By", copy=False, help="The person at the customer.")
    psa_accepted_by = fields.Many2one("res.users", "Recorded By", copy=False, readonly=True)
    psa_acceptance_withdrawn = fields.Boolean(
        copy=False, readonly=True, help="It was accepted once, and the acceptance was taken back.")
    psa_evidence_ids = fields.Many2many(
        "ir.attachment", "psa_milestone_evidence_rel", "milestone_id", "attachment_id", "Signed Acceptance", copy=False,
        bypass_search_access=True)

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._psa_check_buttons(vals)
        return super().create(vals_list)

    def write(self, vals):
        self._psa_check_buttons(vals)
        if not self.env.su and "psa_evidence_ids" in vals:
            self._psa_require_operator()
        result = super().write(vals)
        if _ACCEPTANCE_FIELDS & set(vals):
            self._psa_release()
        return result

    def _psa_check_buttons(self, vals):
        """Refuse to write what only the buttons change."""
        if not self.env.su and {"psa_accepted_on", "psa_accepted_by", "psa_acceptance_withdrawn"} & set(vals):
            raise AccessError(self.env._("Acceptance is recorded with its buttons."))

    # === ACTIONS === #
    def action_psa_accept(self):
        """Record that the customer accepted these: what is held for that goes on in this transaction."""
        self._psa_require_operator()
        for milestone in self:
            if not (milestone.psa_accepted_name or "").strip():
                raise UserError(self.env._("Say who accepted “%s” at the customer.", milestone.name))
            if not milestone.psa_accepted_on:
                milestone.sudo().write({
                    "psa_accepted_on": fields.Date.context_today(self),
                    "psa_accepted_by": self.env.uid,
                    "psa_acceptance_withdrawn": False,
                })
        self._psa_log("milestone.accept")

    def action_psa_take_back_acceptance(self):
        """Take the acceptance back: what is not billed is held again, what is billed becomes a pending change."""
        self._psa_require_operator("psa_hub.group_reviewer")
        accepted = self.filtered("psa_accepted_on")
        accepted._psa_log("milestone.acceptance_withdrawn")
        accepted.sudo().write({
            "psa_accepted_on": False, "psa_accepted_by": False, "psa_acceptance_withdrawn": True,
        })

    def _psa_require_operator(self, group="psa_hub.group_operator"):
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not record what customers accept."))

    def _psa_log(self, event):
        self.env["psa.audit"]._log([
            {
                "event": event, "res_model": self._name, "res_id": milestone.id,
                "company_id": milestone.sale_line_id.company_id.id or milestone.project_id.company_id.id,
                "after": {
                    "by": milestone.psa_accepted_name, "on": str(milestone.psa_accepted_on or ""),
                    "evidence": milestone.sudo().psa_evidence_ids.mapped("name"),
                },
            }
            for milestone in self
        ])

    # === WHAT FOLLOWS === #
    def _psa_release(self):
        """Decide again about the entries of these milestones."""
        Entry = self.env["psa.entry"].sudo().with_context(**HUSH)
        entries = Entry.search([("milestone_id", "in", self.ids)])
        specs = []
        for entry in entries:
            spec = entry._as_spec()
            if entry.pending_spec:
                spec = {**entry.pending_spec, "source": entry.milestone_id}
            elif entry.reason == "rejected":
                spec = {**spec, "standing": None}
            if entry.billing_state == "to_bill" and entry.reason != "rejected" and not entry.pending_spec:
                continue
            specs.append({**spec, "approved": entry.milestone_id.is_reached or bool(entry.approved_at)})
        Entry._sync("milestone", specs)
        Entry._reprice(entries)


class SaleOrderLine(models.Model):
    _inherit = "sale.order.line"

    psa_acceptance_required = fields.Boolean(
        "Acceptance Required", help="Milestones of this line are billed only once the customer has accepted them.")
    psa_evidence_required = fields.Boolean(
        "Signed Evidence Required", help="Milestones of this line are billed only with the signed acceptance attached.")

    def write(self, vals):
        result = super().write(vals)
        if {"psa_acceptance_required", "psa_evidence_required"} & set(vals):
            self.env["psa.entry"].sudo()._reprice(self.env["psa.entry"].sudo().search(
                [("order_line_id", "in", self.ids), ("kind", "=", "milestone")]))
        return result
