from contextlib import closing

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

CHUNK = 50
#: Exceptions up to so many are done while the person waits.
AT_ONCE = 20
#: A preview tries so many, the dearest first.
TRIED = 200


class PsaExceptionJob(models.Model):
    """One decision about many exceptions, done chunk by chunk as the person who took it, with a bar to cancel it."""

    _name = "psa.exception.job"
    _description = "Bulk Work on Exceptions"
    _inherit = "psa.job"
    _order = "id desc"
    _job_cron = "psa_hub.cron_exception_jobs"

    kind = fields.Selection(
        [("retry", "Retry"), ("assign", "Assign"), ("waive", "Waive")], required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    user_id = fields.Many2one("res.users", "Started by", required=True, readonly=True)
    assignee_id = fields.Many2one("res.users", "Assign to", readonly=True)
    reason = fields.Text(readonly=True)
    exception_ids = fields.Json(readonly=True, help="Ids, in the order in which they are done.")
    closed_count = fields.Integer("Closed", readonly=True)
    asked_count = fields.Integer("Wait for a Second Person", readonly=True)
    refused_count = fields.Integer("Not Allowed", readonly=True)
    currency_id = fields.Many2one(related="company_id.currency_id")
    freed_amount = fields.Monetary("Became Billable", readonly=True)

    @api.depends("kind", "row_count")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for job in self:
            job.display_name = f"{labels[job.kind]} ({job.row_count})"

    @api.model
    def _start(self, kind, exceptions, assignee=None, reason=None):
        """Set it going; few exceptions are done at once.

        :return: the job
        """
        exceptions.check_access("write")
        job = self.sudo().create({
            "kind": kind, "user_id": self.env.uid, "company_id": self.env.company.id, "reason": reason,
            "assignee_id": assignee.id if assignee else False, "exception_ids": exceptions.ids,
            "row_count": len(exceptions),
        })
        if len(exceptions) <= AT_ONCE:
            while not job._job_chunk(None):
                pass
        else:
            job._wake_job()
        return job.sudo(False)

    def _job_chunk(self, source):
        """Do the next exceptions as the person who started it. Rights count as they are now."""
        user, ids = self.user_id, self.exception_ids[self.done_count:self.done_count + CHUNK]
        exceptions = self.env["psa.exception"].with_user(user).with_context(
            allowed_company_ids=[self.company_id.id, *(user.company_ids - self.company_id).ids],
        ).search([("id", "in", ids), ("is_open", "=", True)])
        [(last,)] = self.env.execute_query(SQL("SELECT COALESCE(MAX(id), 0) FROM psa_audit"))
        asked = refused = 0
        try:
            with self.env.cr.savepoint():
                asked = self._do(exceptions)
        except (AccessError, UserError):  # one of them is refused: the others go one by one
            for exception in exceptions:
                try:
                    with self.env.cr.savepoint():
                        asked += self._do(exception)
                except (AccessError, UserError):
                    refused += 1
        self.env.invalidate_all()
        freed = self.env["psa.exception"]._closed_since(last)
        done = self.done_count + len(ids)
        over = done >= len(self.exception_ids)
        self.sudo().write({
            "done_count": done,
            "closed_count": self.closed_count + sum(not exception.is_open for exception in exceptions.sudo()),
            "asked_count": self.asked_count + asked,
            "refused_count": self.refused_count + refused + len(ids) - len(exceptions),
            "freed_amount": self.freed_amount + freed._billable(freed._freed_records()[1], self.company_id),
            **({"state": "done"} if over else {}),
        })
        return over

    def _do(self, exceptions):
        """Do it with ``exceptions``. Return how many wait for a second person."""
        if not exceptions:
            return 0
        if self.kind == "assign":
            exceptions.action_assign(self.assignee_id.id)
        elif self.kind == "waive":
            return len(exceptions.action_waive(self.reason))
        else:
            exceptions.action_retry()
        return 0

    def action_open_exceptions(self):
        """The exceptions that it is about."""
        self.ensure_one()
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_exception")
        return {**action, "domain": [("id", "in", self.exception_ids)], "context": {}}


class PsaException(models.Model):
    """Decisions about many at once, shown before they are taken."""

    _inherit = "psa.exception"

    def action_bulk(self, kind="retry"):
        """Open the dialog that shows what a decision about all of these would do.

        :param kind: ``retry``, ``assign`` or ``waive``
        """
        self._check_open()
        bulk = self.env["psa.exception.bulk"]._for(kind, self)
        return {
            "type": "ir.actions.act_window", "name": dict(bulk._fields["kind"]._description_selection(self.env))[kind],
            "res_model": bulk._name, "res_id": bulk.id, "view_mode": "form", "views": [(False, "form")],
            "target": "new",
        }

    def action_bulk_assign(self):
        """Open the dialog that assigns these."""
        return self.action_bulk("assign")

    def action_bulk_waive(self):
        """Open the dialog that waives these."""
        return self.action_bulk("waive")

    def _try_retry(self):
        """Retry these in a savepoint and take it back.

        :return: dict: ``tried`` (exceptions), ``passed`` (exceptions that would close), ``amount`` (what would become
            billable, in the company's currency)
        """
        held = self.filtered(lambda exception: exception.category != "connection")
        tried = held.sorted("amount", reverse=True)[:TRIED]
        with closing(self.env.cr.savepoint()):  # always rolled back
            [(last,)] = self.env.execute_query(SQL("SELECT COALESCE(MAX(id), 0) FROM psa_audit"))
            tried._retry_held()
            self.env.flush_all()
            closed = self._closed_since(last)
            outcome = {
                "tried": len(tried),
                "passed": len(closed & tried.sudo()),
                "amount": self._billable(closed._freed_records()[1], self.env.company),
            }
        self.env.invalidate_all()
        return outcome
