import logging

import psycopg2

from odoo import api, models
from odoo.tools import SQL

from .drain import RaceLost
from .psa_lane import CLAIMED
from .worker import Turn

_logger = logging.getLogger(__name__)

#: So many messages are worked on while a person waits; the rest goes its usual way, within seconds.
AT_ONCE = 500


class PsaMessage(models.Model):
    """What a person lets go is worked on at once, in the transaction of the fix: all of it counts, or nothing."""

    _inherit = "psa.message"

    @api.model
    def _release_now(self, wait_keys):
        """Let go what waits for these keys, and work on it. Return the number of messages that go again."""
        released = self._release(wait_keys)
        if not self.env.context.get("psa_in_batch"):  # a batch never begins another one: the lanes go on
            messages = self.browse(released)
            holders = messages.exception_id
            worked = messages._work_now()
            worked.filtered(lambda message: message.state == "done" and not message.freed_from_id).write({
                "freed_from_id": holders[:1].id})  # also what only waited for what was held
        return len(released)

    def _work_now(self, limit=AT_ONCE):
        """Apply those of these that are pending, then what they let go, and so on.

        What another worker has in hand, and what is above ``limit``, is left to the lanes. Nothing is committed.

        :return: the messages that were worked on
        """
        worked, due = self.browse(), self.ids
        while due and len(worked) < limit:
            claims = self._claim_these(due[:limit - len(worked)])
            due = []
            for connection_id, rows in claims.items():
                connection = self.env["psa.connection"].sudo().browse(connection_id)
                batch = self._try_batch(connection, rows) if connection._is_live() else None
                if batch:
                    worked += self.browse(claim.id for claim in batch.claims)
                    due += batch.released
        return worked

    def _claim_these(self, ids):
        """Lock the pending ones of these. Return ``{connection id: [row]}``, see :meth:`psa.lane._claim`."""
        self.env.flush_all()
        rows = self.env["psa.lane"]._lock_records(SQL(
            """
            (SELECT %s FROM psa_message
              WHERE id = ANY(%s) AND state = 'pending' AND lane IN ('master', 'transaction')
           ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)
            """, CLAIMED, list(ids)))
        claims = {}
        for row in rows:
            claims.setdefault(row["connection_id"], []).append(row)
        return claims

    def _try_batch(self, connection, rows):
        """Return the batch of claimed ``rows``; None when another transaction came first: then the lanes do it."""
        lane = self.env["psa.lane"].sudo()
        try:
            with self.env.cr.savepoint():
                return lane._run_rows(Turn(connection), rows, len(rows))
        except psycopg2.OperationalError:
            raise  # the whole request is tried again
        except RaceLost:
            _logger.info("%s released messages are left to the lanes", len(rows))
            return None
