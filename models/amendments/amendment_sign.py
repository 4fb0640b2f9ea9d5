from odoo import fields, models
from odoo.exceptions import AccessError, UserError


class PsaAmendment(models.Model):
    """From draft to signature and approval: who may do what, and what must be there."""

    _inherit = "psa.amendment"

    # === ACTIONS === #
    def action_send_to_sign(self):
        """The text is final: it waits for the customer's signature."""
        self._require_group("psa_hub.group_operator", ("draft",))
        for amendment in self:
            amendment._check_says_something()
        self.sudo().write({"state": "to_sign"})

    def action_back_to_draft(self):
        """Take these back for changes; a signature under the old text does not count for the new one."""
        self._require_group("psa_hub.group_operator", ("to_sign", "refused"))
        self._audit("amendment.back_to_draft")
        self.sudo().write({
            "state": "draft", "signed_on": False, "signed_by": False, "document": False, "document_name": False,
            "refused_reason": False,
        })

    def action_refuse(self, reason=None):
        """The customer, or we, do not agree: these never come into force.

        :param reason: kept with the amendment
        """
        self._require_group("psa_hub.group_reviewer", ("draft", "to_sign"))
        self._audit("amendment.refused", reason=reason)
        self.sudo().write({"state": "refused", "refused_reason": reason})

    def action_put_in_force(self):
        """Approve these and change their contracts, all in one transaction.

        :raise AccessError: for who may not approve, or wrote or edited one of them (unless the company allows it)
        :raise UserError: when a signature is missing that the company asks for, or something cannot be applied
        """
        self._require_group("psa_hub.group_approver", ("draft", "to_sign"))
        self._check_four_eyes()
        for amendment in self:
            amendment._check_says_something()
            amendment._check_evidence()
        for amendment in self.sorted(lambda amendment: (amendment.date_effective, amendment.number)):
            amendment.sudo()._put_in_force(self.env.user)

    def action_apply_terms(self):
        """Apply the lines, caps and order of these now that their day has come (the nightly job does it otherwise)."""
        self._require_group("psa_hub.group_approver", ("in_force", "superseded"))
        due = self.sudo()._due()
        if not due:
            raise UserError(self.env._("There is nothing to apply before the effective day."))
        for amendment in due:
            amendment._apply_due()

    # === CHECKS === #
    def _require_group(self, group, states):
        self.check_access("write")
        if not self.env.su and not self.env.user.has_group(group):
            raise AccessError(self.env._("You may not do this with amendments."))
        self._require_states(states)

    def _check_four_eyes(self):
        for amendment in self:
            if amendment.company_id.sudo().psa_allow_self_approval:
                continue
            if self.env.user in amendment.create_uid | amendment.editor_ids:
                raise AccessError(self.env._(
                    "%s needs another person's approval: you wrote or edited it.", amendment.display_name))

    def _check_evidence(self):
        """Refuse without the signature that the company asks for."""
        self.ensure_one()
        evidence = self.company_id.sudo().psa_amendment_evidence
        if evidence != "approval" and not (self.signed_on and self.signed_by):
            raise UserError(self.env._(
                "%s is not signed: enter who signed it for the customer, and when.", self.display_name))
        if evidence == "document" and not self.document:
            raise UserError(self.env._("Attach the signed document of %s.", self.display_name))

    def _check_says_something(self):
        self.ensure_one()
        order = self.sudo().order_id
        if not order.psa_contract or order.state != "sale":
            raise UserError(self.env._("%s is no contract that PSA Hub bills.", order.name))
        if not (self.change_ids or self.terms or any(self[name] for name in self._ORDER_FIELDS)):
            raise UserError(self.env._("%s changes nothing yet.", self.display_name))

    # === TRAIL === #
    def _audit(self, event, reason=None):
        self.env["psa.audit"]._log([
            {
                "event": event,
                "res_model": amendment._name,
                "res_id": amendment.id,
                "company_id": amendment.company_id.id,
                "before": {"state": amendment.state},
                "after": amendment._audit_values(),
                "reason": reason,
            }
            for amendment in self
        ])

    def _audit_values(self):
        """Return JSON of what the amendment says."""
        self.ensure_one()
        return {
            "contract": self.sudo().order_id.name,
            "number": self.number,
            "effective": fields.Date.to_string(self.date_effective),
            "signed_on": fields.Date.to_string(self.signed_on) if self.signed_on else None,
            "signed_by": self.signed_by or None,
            "changes": [change.display_name for change in self.change_ids],
        }
