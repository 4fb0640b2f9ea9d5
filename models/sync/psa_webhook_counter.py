from odoo import api, fields, models
from odoo.tools import SQL

from .own_cursor import own_env

REASONS = [
    ("signature", "Wrong signature"),
    ("stale", "Signed too long ago"),
    ("replayed", "Delivered before"),
    ("no_secret", "No webhook secret set"),
    ("too_large", "Too large"),
    ("overload", "Too much waiting"),
    ("unreadable", "Unreadable"),
]


class PsaWebhookCounter(models.Model):
    """How many deliveries were turned away, per connection, day and reason. Bodies of strangers are not kept."""

    _name = "psa.webhook.counter"
    _description = "Refused Deliveries"
    _order = "day desc, connection_id, reason"
    _log_access = False

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", readonly=True)
    day = fields.Date(required=True, readonly=True)
    reason = fields.Selection(REASONS, required=True, readonly=True)
    count = fields.Integer(required=True, readonly=True, aggregator="sum")

    _counted_uniq = models.UniqueIndex("(connection_id, day, reason)", "There is one counter per day and reason.")

    @api.model
    def _count(self, connection_id, reason):
        """Add one, in a transaction of its own: the request that is refused may be rolled back."""
        with own_env(self.env, durable=False) as env:
            env.cr.execute(SQL(
                """
                INSERT INTO psa_webhook_counter AS counter (connection_id, day, reason, count)
                VALUES (%s, %s, %s, 1)
                ON CONFLICT (connection_id, day, reason) DO UPDATE SET count = counter.count + 1
                """, connection_id, fields.Date.today(), reason))
