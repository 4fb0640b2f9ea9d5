from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class PsaException(models.Model):
    """Giving up: with a reason, up to a limit alone, above it by two people."""

    _inherit = "psa.exception"

    waive_asked_by_id = fields.Many2one(
        "res.users", "Waive Asked by", readonly=True, index="btree_not_null",
        help="Wants to give it up. Above the company's limit somebody else has to agree.")
    waive_asked_reason = fields.Text("Why Waive", readonly=True)

    # === ACTIONS === #
    def action_waive(self, reason):
        """Give up on what these hold, for good: their messages are skipped, their entries excluded from billing.

        What is above the company's limit waits for a second person (:meth:`action_agree_waive`).

        :param reason: why, kept with the exception and in the audit trail
        :return: those that wait for a second person
        :raise AccessError: the user is no reviewer
        """
        self._check_open()
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: a waived exception keeps its reason for ever."))
        self._check_may_ask_waive()
        large = self.filtered(lambda exception: not self._may_waive_alone(exception.amount, exception.company_id))
        (self - large)._waive(reason)
        large._ask_second_person(reason)
        return large

    def action_agree_waive(self):
        """Agree, as the second person, that these are given up."""
        self._check_second_person()
        for reason, exceptions in self.grouped("waive_asked_reason").items():
            exceptions._waive(reason)

    def action_refuse_waive(self):
        """Ask why these are not given up."""
        self._check_second_person()
        return self.env["psa.reason"]._ask_for("refuse_waive", self)

    # === BUSINESS === #
    def _waive(self, reason):
        """Close these as waived and release what they hold. No rights are checked here."""
        if not self:
            return
        askers = {exception: exception.waive_asked_by_id for exception in self}
        self._close("waived", reason)
        self.sudo()._release_holders("waive", reason)
        self.sudo()._message_log_batch({
            exception.id: self.env._("Waived, as %(asker)s asked: %(reason)s", asker=asker.name, reason=reason)
            if asker else self.env._("Waived: %s", reason)
            for exception, asker in askers.items()
        })

    def _ask_second_person(self, reason):
        if not self:
            return
        self.sudo().write({"waive_asked_by_id": self.env.uid, "waive_asked_reason": reason})
        self._log_waive("exception.waive_asked", reason)
        self.sudo()._message_log_batch(dict.fromkeys(self.ids, self.env._(
            "%(user)s wants to waive it: %(reason)s", user=self.env.user.name, reason=reason)))
        for (cause, company), exceptions in self.sudo().grouped(lambda one: (one.cause_id, one.company_id)).items():
            owner = cause.with_company(company)
            others = (owner.manager_id | owner.user_id).filtered(
                lambda user: user != self.env.user and user.has_group("psa_hub.group_approver"))
            if others:
                exceptions.activity_schedule(
                    "psa_hub.activity_exception_waive", user_id=others[0].id, note=reason,
                    summary=self.env._("Agree to give it up, or refuse"))

    def _refuse_waive(self, reason):
        """The second person does not agree: it is open as before."""
        self._check_second_person()
        self.sudo()._message_log_batch(dict.fromkeys(self.ids, self.env._("Not waived: %s", reason)))
        self.sudo().write({"waive_asked_by_id": False})
        self.sudo().activity_unlink(["psa_hub.activity_exception_waive"])
        self._log_waive("exception.waive_refused", reason)

    def _log_waive(self, event, reason):
        self.env["psa.audit"]._log([
            {"event": event, "res_model": self._name, "res_id": exception.id, "company_id": exception.company_id.id,
             "after": {"amount": exception.amount}, "reason": reason}
            for exception in self
        ])

    # === RIGHTS === #
    def _check_second_person(self):
        """:raise AccessError: the user is no approver, or has asked for it"""
        self._check_open()
        if not self.env.su and not self.env.user.has_group("psa_hub.group_approver"):
            raise AccessError(self.env._("Only approvers may agree or refuse."))
        if missing := self.filtered(lambda exception: not exception.waive_asked_by_id):
            raise UserError(self.env._("Nobody asked to waive “%s”.", missing[0].name))
        if own := self.filtered(lambda exception: exception.waive_asked_by_id == self.env.user):
            raise AccessError(self.env._("You asked to waive “%s”: somebody else has to decide.", own[0].name))

    @api.model
    def _check_may_ask_waive(self):
        if not self.env.su and not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may waive."))

    @api.model
    def _may_waive_alone(self, amount, company):
        """Return whether the user may give up ``amount`` (in the currency of ``company``) without a second person."""
        company = company.sudo()
        if self.env.su or abs(amount) <= company.psa_waive_limit:
            return True
        return company.psa_allow_self_approval and self.env.user.has_group("psa_hub.group_approver")

    @api.model
    def _check_may_waive(self, name, amount, company):
        """Refuse unless the user may give up ``amount`` (in the currency of ``company``) alone.

        :raise AccessError: no reviewer, or above the company's limit
        """
        self._check_may_ask_waive()
        if not self._may_waive_alone(amount, company):
            currency = company.sudo().currency_id
            raise AccessError(self.env._(
                "“%(name)s” puts %(amount)s at risk. Above %(limit)s it takes two people: waive the exception that "
                "holds it, and somebody else agrees.",
                name=name, amount=currency.format(amount), limit=currency.format(company.sudo().psa_waive_limit)))
