from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.tools import SQL

PURGED_AT_ONCE = 20_000
PACKS_AT_ONCE = 500
_FOREVER = " 0: for ever."


class ResCompany(models.Model):
    """How long a company keeps what. Keys, hashes, totals and outcomes are never purged, only what they are about."""

    _inherit = "res.company"

    psa_keep_raw_days = fields.Integer(
        "Keep Raw Data (Days)", default=400, required=True,
        help="What came from other systems: contents of finished messages, their files, and uploaded files. A "
             "connection may say otherwise." + _FOREVER)
    psa_keep_canonical_days = fields.Integer(
        "Keep Written-Back Data (Days)", default=400, required=True,
        help="What was written back to other systems, in the hub's own words." + _FOREVER)
    psa_keep_log_days = fields.Integer(
        "Keep Logs (Days)", default=400, required=True,
        help="Error texts of finished messages and technical details of closed exceptions." + _FOREVER)
    psa_keep_evidence_days = fields.Integer(
        "Keep Evidence (Days)", default=0, required=True,
        help="Evidence packs, counted from the invoice date. Mind the law: ten years and more in many countries; less "
             "than 3,650 days is refused." + _FOREVER)

    _psa_keep_positive = models.Constraint(
        "CHECK(psa_keep_raw_days >= 0 AND psa_keep_canonical_days >= 0 AND psa_keep_log_days >= 0 "
        "AND (psa_keep_evidence_days = 0 OR psa_keep_evidence_days >= 3650))",
        "Days to keep something are not below zero, and evidence is kept for ten years at least.")


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    psa_keep_raw_days = fields.Integer(related="company_id.psa_keep_raw_days", readonly=False)
    psa_keep_canonical_days = fields.Integer(related="company_id.psa_keep_canonical_days", readonly=False)
    psa_keep_log_days = fields.Integer(related="company_id.psa_keep_log_days", readonly=False)
    psa_keep_evidence_days = fields.Integer(related="company_id.psa_keep_evidence_days", readonly=False)


class PsaMessage(models.Model):
    """Each of these is one batch; Odoo's daily clean-up repeats them until nothing is left to do."""

    _inherit = "psa.message"

    def _purge_columns(self, setting, own_setting, columns, condition):
        """Empty columns of one batch of old finished messages that no legal hold keeps.

        :param setting: column of res_company that holds the days
        :param own_setting: SQL of the connection's own number of days, which goes first when it is not 0
        :param columns: SQL assignments
        :param condition: SQL: there is something to empty
        :return: ids
        """
        self.flush_model()
        days = SQL("COALESCE(NULLIF(%s, 0), company.%s)", own_setting, SQL.identifier(setting))
        purged = self.env.execute_query(SQL(
            """
            UPDATE psa_message SET %(columns)s WHERE id IN (
                SELECT message.id FROM psa_message message
                  JOIN psa_connection connection ON connection.id = message.connection_id
                  JOIN res_company company ON company.id = message.company_id
                 WHERE message.state IN ('done', 'skipped') AND %(condition)s
                   AND %(days)s > 0 AND message.done_at < %(now)s - %(days)s * INTERVAL '1 day' AND %(spared)s
                 LIMIT %(limit)s FOR NO KEY UPDATE OF message SKIP LOCKED)
            RETURNING id
            """, columns=columns, condition=condition, days=days, now=fields.Datetime.now(),
            spared=self.env["psa.legal.hold"]._spared_messages(), limit=PURGED_AT_ONCE))
        self.invalidate_model(["payload", "overlay", "error", "error_code"])
        return [message_id for (message_id,) in purged]

    @api.autovacuum
    def _gc_payloads(self):
        """Raw data: empty contents, drop the files beside them; key, hash and outcome stay for ever."""
        ids = self._purge_columns(
            "psa_keep_raw_days", SQL("connection.payload_days"), SQL("payload = NULL, overlay = NULL"),
            SQL("message.payload IS NOT NULL AND message.direction = 'in'"))
        self.env["ir.attachment"].sudo().search([("res_model", "=", self._name), ("res_id", "in", ids)]).unlink()
        return len(ids), len(ids) == PURGED_AT_ONCE

    @api.autovacuum
    def _gc_canonical(self):
        """What was written back."""
        ids = self._purge_columns(
            "psa_keep_canonical_days", SQL("0"), SQL("payload = NULL"),
            SQL("message.payload IS NOT NULL AND message.direction = 'out'"))
        return len(ids), len(ids) == PURGED_AT_ONCE

    @api.autovacuum
    def _gc_errors(self):
        """Logs: what finished messages failed with on their way. The code stays: it says nothing about anyone."""
        ids = self._purge_columns(
            "psa_keep_log_days", SQL("0"), SQL("error = NULL"), SQL("message.error IS NOT NULL"))
        return len(ids), len(ids) == PURGED_AT_ONCE


class PsaException(models.Model):
    _inherit = "psa.exception"

    @api.autovacuum
    def _gc_details(self):
        """Logs: technical details of closed exceptions. What happened, to what and how it ended stays."""
        self.flush_model()
        holds = self.env["psa.legal.hold"]._open()
        partners = self.env["res.partner"].sudo().with_context(active_test=False).search(
            [("id", "child_of", holds.partner_id.ids)]) if holds.partner_id else holds.partner_id
        purged = self.env.execute_query(SQL(
            """
            UPDATE psa_exception SET detail = NULL WHERE id IN (
                SELECT exception.id FROM psa_exception exception
                  JOIN res_company company ON company.id = exception.company_id
                 WHERE exception.state IN ('resolved', 'waived') AND exception.detail IS NOT NULL
                   AND company.psa_keep_log_days > 0
                   AND exception.closed_at < %s - company.psa_keep_log_days * INTERVAL '1 day'
                   AND COALESCE(exception.connection_id, 0) <> ALL(%s) AND COALESCE(exception.order_id, 0) <> ALL(%s)
                   AND COALESCE(exception.partner_id, 0) <> ALL(%s)
                 LIMIT %s FOR NO KEY UPDATE OF exception SKIP LOCKED)
            RETURNING id
            """, fields.Datetime.now(), holds.connection_id.ids, holds.order_id.ids, partners.ids, PURGED_AT_ONCE))
        self.invalidate_model(["detail"])
        return len(purged), len(purged) == PURGED_AT_ONCE


class PsaFile(models.Model):
    _inherit = "psa.file"

    @api.autovacuum
    def _gc_contents(self):
        """Raw data: uploaded files whose rows are all stored. Name, stamp and counts stay."""
        held = self.env["psa.legal.hold"]._open()
        old = self.sudo()
        for company in self.env["res.company"].sudo().search([("psa_keep_raw_days", ">", 0)]):
            since = fields.Datetime.now() - relativedelta(days=company.psa_keep_raw_days)
            old |= self.sudo().search([
                ("company_id", "=", company.id), ("state", "in", ("done", "failed", "cancelled")),
                ("create_date", "<", since), ("connection_id", "not in", held.connection_id.ids),
            ])
        contents = self.env["ir.attachment"].sudo().search([
            ("res_model", "=", self._name), ("res_field", "=", "content"), ("res_id", "in", old.ids),
        ], limit=PACKS_AT_ONCE)
        count = len(contents)
        contents.unlink()
        return count, count == PACKS_AT_ONCE


class PsaEvidence(models.Model):
    _inherit = "psa.evidence"

    @api.autovacuum
    def _gc_packs(self):
        """Evidence: packs of invoices older than the company keeps them. Their hashes stay in the audit trail."""
        holds = self.env["psa.legal.hold"]._open()
        domain = fields.Domain.FALSE
        for company in self.env["res.company"].sudo().search([("psa_keep_evidence_days", ">", 0)]):
            since = fields.Date.today() - relativedelta(days=company.psa_keep_evidence_days)
            domain |= fields.Domain("company_id", "=", company.id) & fields.Domain("move_id.invoice_date", "<", since)
        kept = holds._domain("move_id.partner_id", "move_id.psa_allocation_ids.entry_id.order_id")
        packs = self.sudo().search(domain & ~kept if kept is not None else domain, limit=PACKS_AT_ONCE)
        self.env["psa.audit"]._log([
            {"event": "evidence.purge", "res_model": self._name, "res_id": pack.id, "company_id": pack.company_id.id,
             "before": {"invoice": pack.move_id.name, "version": pack.version, "sha256": pack.sha256}}
            for pack in packs
        ])
        attachments, count = packs.attachment_id, len(packs)
        packs.unlink()
        attachments.unlink()
        return count, count == PACKS_AT_ONCE
