from odoo import fields, models
from odoo.exceptions import AccessError, UserError

from .pricing import decimal_of
from .proposal import SUBMITTED_STATES

# More proposals than this handed over at once are one request to the approvers, not one each.
ONE_BY_ONE = 20


class PsaProposal(models.Model):
    """Approval by people who neither prepared nor edited: one of them, or two from an amount on."""

    _inherit = "psa.proposal"

    def action_approve(self):
        """Approve these. Those that need no (further) second approval become draft invoices.

        :return: action that shows the invoices, or None when all wait for a second approval
        :raise AccessError: for who may not approve, or prepared or edited one of them (unless the company allows it)
        :raise UserError: when entries changed since a proposal was built
        """
        self._require("psa_hub.group_approver", SUBMITTED_STATES)
        self._check_four_eyes()
        for proposal in self:
            if proposal.needs_refresh:
                raise UserError(self.env._("%s is out of date: refresh it and look again.", proposal.name))
        proposals = self.sudo()
        before = {proposal.id: proposal.state for proposal in proposals}
        halfway = proposals.filtered(
            lambda proposal: proposal.state == "to_approve" and proposal._needs_second_approval())
        halfway._approve_first()
        final = proposals - halfway
        final._forget_activities()
        if final:
            final._invoice()
        self.env["psa.audit"]._log([
            {
                "event": "proposal.first_approved" if proposal in halfway else "proposal.approved",
                "res_model": self._name,
                "res_id": proposal.id,
                "company_id": proposal.company_id.id,
                "before": {"state": before[proposal.id], "prepared_by": proposal.prepared_by.login},
                "after": {
                    "state": proposal.state, "total": proposal.amount_total, "currency": proposal.currency_id.name,
                    "invoices": proposal.move_ids.ids,
                },
            }
            for proposal in proposals
        ])
        return final.with_env(self.env).action_open_invoice() if final else None

    def _check_four_eyes(self):
        for proposal in self:
            barred = proposal.prepared_by | proposal.editor_ids
            if proposal.state == "second_approval":
                barred |= proposal.first_approved_by
            elif proposal.company_id.sudo().psa_allow_self_approval:
                continue
            if self.env.user in barred:
                raise AccessError(self.env._(
                    "%s needs another person's approval: you prepared, edited or approved it.", proposal.name))

    # === TWO STEPS === #
    def _needs_second_approval(self):
        """Tell whether the amount, before tax and in the company's currency, asks for two approvers."""
        limit = self.company_id.psa_second_approval_from
        if not limit:
            return False
        amount = self.currency_id._convert(
            abs(self.amount_untaxed), self.company_id.currency_id, self.company_id, fields.Date.context_today(self))
        return decimal_of(amount) >= decimal_of(limit)

    def _approve_first(self):
        if not self:
            return
        self.write({
            "state": "second_approval", "first_approved_by": self.env.uid, "first_approved_at": fields.Datetime.now()})
        self._forget_activities()
        self._ask_approvers()

    # === ASKING === #
    def _ask_approvers(self):
        """Give those who may approve an activity; for many proposals at once a single one, on the largest."""
        Activity = self.env["mail.activity"].sudo().with_context(mail_activity_quick_update=True)
        activity_type = self.env.ref("psa_hub.mail_activity_approve")
        model_id = self.env["ir.model"]._get_id(self._name)
        approvers = self.env.ref("psa_hub.group_approver").sudo().all_user_ids.filtered(
            lambda user: user.active and user != self.env.ref("base.user_root"))
        vals_list = []
        for (company, state), proposals in self.grouped(lambda item: (item.company_id, item.state)).items():
            named = company.psa_second_approver_id if state == "second_approval" else company.psa_first_approver_id
            asked = named or approvers.filtered(lambda user, company=company: company in user.company_ids)
            summary = self.env._("Approve the billing proposal")
            if len(proposals) > ONE_BY_ONE:
                summary = self.env._("Approve %s billing proposals", len(proposals))
                proposals = max(proposals, key=lambda proposal: proposal.amount_untaxed)
            for proposal in proposals:
                barred = proposal.prepared_by | proposal.editor_ids | proposal.first_approved_by
                vals_list += [
                    {
                        "res_model_id": model_id,
                        "res_id": proposal.id,
                        "activity_type_id": activity_type.id,
                        "summary": summary,
                        "user_id": user.id,
                        "date_deadline": fields.Date.context_today(self),
                    }
                    for user in asked - barred
                ]
        Activity.create(vals_list)

    def _forget_activities(self):
        """Approved, taken back or dropped: nobody is asked any more."""
        self.env["mail.activity"].sudo().search([
            ("res_model", "=", self._name), ("res_id", "in", self.ids),
            ("activity_type_id", "=", self.env.ref("psa_hub.mail_activity_approve").id),
        ]).unlink()
