# pylint: disable=invalid-commit  # each chunk is committed with the row that it came to
import logging

from psycopg2.errors import SerializationFailure

from odoo import api, fields, models
from odoo.exceptions import AccessError

from .wake import wake

_logger = logging.getLogger(__name__)


class PsaJob(models.AbstractModel):
    """Work on many rows that a person started: done chunk by chunk by a scheduled job, with a bar to cancel it.

    Each chunk commits with the row that it came to, so that a killed worker leaves nothing half done and the next run
    goes on there. A model that inherits it says what a chunk is (:meth:`_job_chunk`) and which job runs it.
    """

    _name = "psa.job"
    _description = "Long Work"

    #: XML id of the scheduled job; its code is ``model._cron_jobs()``.
    _job_cron = None

    state = fields.Selection(
        [("running", "Running"), ("done", "Done"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        required=True, readonly=True, default="running", index="btree_not_null")
    row_count = fields.Integer("Records", readonly=True)
    done_count = fields.Integer("Records Done", readonly=True)
    error = fields.Char(readonly=True)
    progress = fields.Float(compute="_compute_progress")

    @api.depends("done_count", "row_count", "state")
    def _compute_progress(self):
        for job in self:
            whole = max(job.row_count, job.done_count)
            job.progress = 100 if job.state == "done" else 100.0 * job.done_count / whole if whole else 0

    def write(self, vals):
        if not self.env.su:
            raise AccessError(self.env._("%s: they change through their buttons only.", self._description))
        return super().write(vals)

    # === ACTIONS === #
    def action_cancel(self):
        """Do no further rows; those that were done stay."""
        self.check_access("write")
        self.sudo().filtered(lambda job: job.state == "running").state = "cancelled"

    def action_resume(self):
        """Go on where it was cancelled."""
        self.check_access("write")
        self.sudo().filtered(lambda job: job.state == "cancelled").state = "running"
        self._wake_job()

    # === RUNNING === #
    def _wake_job(self):
        self.env.flush_all()
        wake(self.env, self._job_cron)

    def _job_source(self):
        """Return what the chunks of one run are taken from, at the row that it came to."""
        return

    def _job_chunk(self, source):
        """Do the next rows, in the caller's transaction, and write how far it is. Return whether it is over."""
        raise NotImplementedError  # each kind of work has its own chunks

    @api.model
    def _cron_jobs(self):
        """Do what is running, as far as the time reaches."""
        Cron, jobs = self.env["ir.cron"], self.search([("state", "=", "running")], order="id")
        Cron._commit_progress(remaining=len(jobs))
        for position, job in enumerate(jobs, 1):
            over = job._run_for_a_while(Cron)
            seconds = Cron._commit_progress(int(over), remaining=len(jobs) - position + (not over))
            if not over or not seconds:
                break

    def _run_for_a_while(self, cron):
        """Do chunks until the work or the time is over. Return whether the work is over.

        The source stays open from chunk to chunk: to reach the row that it came to may be dear.
        """
        source, opened = None, False
        while True:
            try:
                self.invalidate_recordset()
                if self.state != "running":
                    return True
                if not opened:
                    source, opened = self._job_source(), True
                over = self._job_chunk(source)
                self.env.flush_all()
                if not cron._commit_progress() or over:
                    return over
            except SerializationFailure:  # somebody cancelled it, or another transaction had the same record
                self.env.cr.rollback()
                opened = False
            except Exception as error:
                _logger.exception("%s %s failed", self._name, self.id)
                self.env.cr.rollback()
                self.write({"state": "failed", "error": self.env._(
                    "Unexpected error %s; the server log has the details.", type(error).__name__)})
                return True
