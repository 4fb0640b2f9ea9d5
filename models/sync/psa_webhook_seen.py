from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

KEPT = timedelta(days=2)  # longer than any vendor's signature is valid


class PsaWebhookSeen(models.Model):
    """Requests of vendors that sign each attempt afresh: the same bytes again are a replay, not a second attempt."""

    _name = "psa.webhook.seen"
    _description = "Seen Delivery"
    _log_access = False

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", readonly=True)
    fingerprint = fields.Char(required=True, readonly=True)
    seen_at = fields.Datetime(required=True, readonly=True, index=True)

    _fingerprint_uniq = models.UniqueIndex("(connection_id, fingerprint)", "Each request is seen once.")

    @api.model
    def _is_new(self, connection_id, fingerprint):
        """Remember the request. Return False when it was seen before."""
        return bool(self.env.execute_query(SQL(
            """
            INSERT INTO psa_webhook_seen (connection_id, fingerprint, seen_at) VALUES (%s, %s, %s)
            ON CONFLICT DO NOTHING RETURNING id
            """, connection_id, fingerprint, fields.Datetime.now())))

    @api.autovacuum
    def _gc_seen(self):
        self.env.cr.execute(SQL(
            "DELETE FROM psa_webhook_seen WHERE seen_at < %s", fields.Datetime.now() - KEPT))
