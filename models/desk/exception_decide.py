from odoo import models
from odoo.exceptions import UserError

SAME, OTHER = "same", "other"


class PsaMessage(models.Model):
    """What a person decided about a message stays with it, so that it is not asked again."""

    _inherit = "psa.message"

    def _decide(self, cause, answer, reason):
        """Note the answer to the question that ``cause`` asks; the next attempt goes by it.

        :param cause: code of a ``psa.exception.cause``
        :param answer: short code that the handler knows
        """
        for message in self.sudo():
            message.decided = {**(message.decided or {}), cause: answer}
        self.env["psa.audit"]._log([
            {
                "event": "message.decide", "res_model": self._name, "res_id": message.id,
                "company_id": message.company_id.id, "after": {cause: answer}, "reason": reason,
            }
            for message in self
        ])


class PsaException(models.Model):
    """Questions that only a person can answer: which customer it is, whether it is the same work twice."""

    _inherit = "psa.exception"

    def _choices(self):
        """Return the records that the person may choose from, one recordset a model, in their order."""
        self.ensure_one()
        ids_by_model = {}
        for model_name, record_id in self.choices or ():
            ids_by_model.setdefault(model_name, []).append(record_id)
        return {name: self.env[name].browse(ids).exists() for name, ids in ids_by_model.items() if name in self.env}

    def _waiting_messages(self):
        return self.psa_message_ids.filtered(lambda message: message.state not in ("done", "skipped"))

    def _decide(self, answer, reason):
        """Answer the question of these for every message that they hold, and let the messages go on."""
        self._check_open()
        for exception in self:
            exception._waiting_messages()._decide(exception.cause_code, answer, reason)
        self.action_retry()

    # === WHICH CUSTOMER === #
    def _is_new_customer(self):
        """None of the candidates: it becomes a new customer."""
        if self.filtered(lambda exception: exception.cause_code != "uncertain_party"):
            raise UserError(self.env._("Only a customer that Odoo may have already can be made a new one."))
        self._decide("new", self.env._("It is a new customer."))

    # === THE SAME WORK TWICE === #
    def _fix_choices(self):
        """What this may be the same as."""
        for records in self._choices().values():
            if records:
                return self._open(records)
        return self._fix_record()

    def action_is_same(self):
        """Ask why it is given up: it is the same as what another system brought."""
        self._check_duplicates()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception_waive")
        return {**action, "context": {
            "active_model": self._name, "active_ids": self.ids,
            "default_reason": self.env._("Another system has brought the same work already."),
        }}

    def action_is_another(self):
        """Ask why it is not the same, then let it go on."""
        self._check_duplicates()
        return self.env["psa.reason"]._ask_for("another", self)

    def _let_through(self, reason):
        """It is other work that only looks the same.

        :raise UserError: no reason
        """
        self._check_duplicates()
        if not (reason or "").strip():
            raise UserError(self.env._("Say why it is other work: the reason is kept for ever."))
        self._decide(OTHER, reason)

    def _check_duplicates(self):
        self._check_open()
        if self.filtered(lambda exception: exception.cause_code != "suspected_duplicate"):
            raise UserError(self.env._("This is only for work that may have come twice."))

    def _release_holders(self, how, reason=None):
        """EXTENDS: of a record with several parts (a week) only the parts that came twice are given up."""
        if how != "waive":
            return super()._release_holders(how, reason)
        duplicates = self.filtered(lambda exception: exception.cause_code == "suspected_duplicate")
        messages = duplicates._waiting_messages()
        weeks = messages.filtered(lambda message: message.stream_id._spec().parts)
        if weeks:
            weeks._decide("suspected_duplicate", SAME, reason)
            weeks.action_retry()
            weeks.sudo().write({"exception_id": False, "risk_amount": 0.0})
        return super()._release_holders(how, reason)
