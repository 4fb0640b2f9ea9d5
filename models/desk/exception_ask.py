from odoo import api, fields, models
from odoo.tools import html2plaintext, is_html_empty

# Records in whose chatter a question can be answered.
ASKED_ON = ("project.project", "sale.order")


class PsaException(models.Model):
    """Questions to people without a role in the hub: they answer where they work, and the answer comes back here."""

    _inherit = "psa.exception"

    asked_user_id = fields.Many2one("res.users", "Asked", compute="_compute_asked", help="Has not answered yet.")

    def _compute_asked(self):
        activities = self.env["mail.activity"].sudo().search([("psa_exception_id", "in", self.ids)])
        asked = {activity.psa_exception_id.id: activity.user_id for activity in activities}
        for exception in self:
            exception.asked_user_id = asked.get(exception.id, False)

    def action_ask(self):
        """Open the dialog that asks the project manager, or somebody else."""
        self.ensure_one()
        self._check_open()
        return {
            "type": "ir.actions.act_window", "name": self.env._("Ask"), "res_model": "psa.exception.ask",
            "view_mode": "form", "views": [(False, "form")], "target": "new",
            "context": {"default_exception_id": self.id},
        }

    def _ask_about(self):
        """Return the record in whose chatter the question is put: the project, else the contract, else None."""
        self.ensure_one()
        exception = self.sudo()
        orders = exception.order_id | exception.blocked_order_ids
        return exception.project_id or self.env["project.project"].sudo().search(
            [("psa_contract_id", "in", orders.ids)], limit=1) or orders[:1] or None

    def _ask(self, user, question):
        """Put a question to ``user``: an activity on the project (or contract), and a message in its chatter."""
        self.ensure_one()
        self._check_open()
        record = self._ask_about()
        record.activity_schedule(
            "psa_hub.activity_question", user_id=user.id, note=question, date_deadline=self.date_due,
            summary=self.env._("Question about what cannot be billed"), psa_exception_id=self.id)
        record.message_post(
            body=question, partner_ids=user.partner_id.ids, subtype_xmlid="mail.mt_note",
            subject=self.env._("Question about what cannot be billed"))
        self.sudo()._message_log(body=self.env._("Asked %(user)s: %(question)s", user=user.name, question=question))
        self.env["psa.audit"]._log([{
            "event": "exception.ask", "res_model": self._name, "res_id": self.id, "company_id": self.company_id.id,
            "after": {"asked": user.id}, "reason": question,
        }])

    def _answered(self, activity, answer):
        """Take an answer back to the one who asked: it is theirs again, with an activity that says so.

        :param answer: plain text
        """
        self.ensure_one()
        exception, user, asker = self.sudo(), activity.user_id, activity.create_uid
        exception._message_log(body=self.env._("%(user)s answers: %(answer)s", user=user.name, answer=answer),
                               author_id=user.partner_id.id)
        self.env["psa.audit"]._log([{
            "event": "exception.answer", "res_model": self._name, "res_id": self.id, "user_id": user.id,
            "company_id": exception.company_id.id, "reason": answer,
        }])
        if exception.is_open:
            exception.user_id = asker
            exception.activity_ids.filtered(lambda one: one.user_id == asker)[:1].write({
                "summary": self.env._("%s has answered", user.name), "note": answer,
                "date_deadline": fields.Date.context_today(exception)})


class MailActivity(models.Model):
    _inherit = "mail.activity"

    psa_exception_id = fields.Many2one(
        "psa.exception", "Exception", readonly=True, index="btree_not_null", ondelete="cascade",
        groups="psa_hub.group_auditor", help="The exception that the question is about.")

    def _action_done(self, feedback=False, attachment_ids=None):
        """EXTENDS: the answer to a question goes back to its exception."""
        for activity in self.sudo().filtered("psa_exception_id"):
            text = html2plaintext(feedback).strip() if feedback and not is_html_empty(feedback) else ""
            activity.psa_exception_id._answered(activity, text or self.env._("Done, without a word."))
        return super()._action_done(feedback=feedback, attachment_ids=attachment_ids)


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    def _message_post_after_hook(self, message, msg_values):
        """EXTENDS: what the asked person writes in the record's chatter, or by mail, is the answer."""
        result = super()._message_post_after_hook(message, msg_values)
        if self._name in ASKED_ON and message.message_type in ("comment", "email") and message.author_id:
            self._psa_take_answer(message)
        return result

    @api.model
    def _psa_open_questions(self, partner):
        return self.env["mail.activity"].sudo().search([
            ("psa_exception_id", "!=", False), ("res_model", "=", self._name), ("res_id", "in", self.ids),
            ("user_id.partner_id", "=", partner.id)])

    def _psa_take_answer(self, message):
        answer = html2plaintext(message.body).strip()
        questions = self._psa_open_questions(message.author_id).filtered(
            lambda activity: activity.create_uid != activity.user_id)
        if answer:
            for question in questions:
                question.psa_exception_id._answered(question, answer)
            questions.unlink()
