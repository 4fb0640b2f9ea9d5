from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL


class PsaStream(models.Model):
    """Sources that fall silent: a stream that normally brings something and has not for too long."""

    _inherit = "psa.stream"

    silence_hours = fields.Integer(
        string="Silent After (hours)", default=0, required=True,
        help="Without a new message for this long the source counts as silent and the owner is told. Zero: not "
             "watched.")
    last_message_at = fields.Datetime(readonly=True, copy=False, help="When something new last came.")
    is_silent = fields.Boolean(readonly=True, copy=False)
    watched_message_id = fields.Integer(readonly=True, copy=False)

    _silence_positive = models.Constraint("CHECK(silence_hours >= 0)", "The silence limit must not be negative.")

    @api.model
    def _cron_watch(self):
        """Look for silent sources, and check again the connections that lack a right."""
        self._note_last_messages()
        self._note_silence()
        self.env["ir.cron"]._commit_progress()
        blocked = self.search([("blocked_reason", "!=", False)]).connection_id
        for connection in blocked.filtered(lambda item: item.state == "connected" and item._is_live()):
            connection._check()
            self.env["ir.cron"]._commit_progress()

    @api.model
    def _note_last_messages(self):
        """Take over the time of the newest message of each watched stream, reading only what came since last time."""
        watched = self.search([("direction", "=", "in"), ("silence_hours", ">", 0)])
        if not watched:
            return
        self.env["psa.message"].flush_model()
        newest = {stream_id: (message_id, moment) for stream_id, message_id, moment in self.env.execute_query(SQL(
            """
            SELECT stream_id, max(id), max(received_at) FROM psa_message
             WHERE id > %s AND stream_id = ANY(%s) GROUP BY stream_id
            """, min(watched.mapped("watched_message_id")), watched.ids))}
        last = max([message_id for message_id, _moment in newest.values()], default=0)
        for stream in watched:
            stream.watched_message_id = max(last, stream.watched_message_id)
            if stream.id in newest:
                stream.last_message_at = newest[stream.id][1]

    @api.model
    def _note_silence(self):
        now = fields.Datetime.now()
        fallen = self.browse()
        for stream in self.search(Domain("silence_hours", ">", 0) | Domain("is_silent", "=", True)):
            since = stream.last_message_at or stream.create_date
            silent = bool(stream.silence_hours) and stream.connection_id.state == "connected" \
                and since < now - timedelta(hours=stream.silence_hours)
            if silent and not stream.is_silent:
                fallen |= stream
            if stream.is_silent != silent:
                stream.is_silent = silent
        for connection, streams in fallen.grouped("connection_id").items():
            connection.activity_schedule(
                "mail.mail_activity_data_todo", user_id=connection._responsible().id,
                summary=self.env._("Nothing new from %s", ", ".join(streams.mapped("name"))),
                note=self.env._("Check whether the source still sends, and whether its webhook is still set up."))


class PsaConnection(models.Model):
    """Health in figures, for probes and monitoring."""

    _inherit = "psa.connection"

    @api.model
    def _health(self):
        """Return ``failing`` (nothing is worked on), ``degraded`` (something waits for a person) or ``ok``."""
        (stuck, refused, silent), = self.env.execute_query(SQL(
            """
            SELECT EXISTS (SELECT FROM ir_cron cron JOIN ir_model_data data
                               ON data.model = 'ir.cron' AND data.res_id = cron.id AND data.module = 'psa_hub'
                            WHERE cron.active AND cron.nextcall < %(late)s
                              AND NOT EXISTS (SELECT FROM ir_cron_progress progress
                                               WHERE progress.cron_id = cron.id AND progress.write_date > %(late)s)),
                   EXISTS (SELECT FROM psa_connection WHERE active AND state = 'refused'),
                   EXISTS (SELECT FROM psa_stream WHERE active AND (is_silent OR blocked_reason IS NOT NULL))
            """, late=fields.Datetime.now() - timedelta(minutes=15)))
        return "failing" if stuck else "degraded" if refused or silent else "ok"
