from odoo import fields, models


class PsaConnectionGate(models.Model):
    """What all workers share about calling out for one connection: rate budget and circuit breaker.

    A row of its own, written in short transactions of its own; the rules are in ``gate``.
    """

    _name = "psa.connection.gate"
    _description = "Connection Gate"
    _log_access = False

    connection_id = fields.Many2one("psa.connection", required=True, ondelete="cascade", readonly=True)
    bucket = fields.Float(readonly=True, help="Calls left in the bucket; below zero: promised ahead.")
    refilled_at = fields.Datetime(readonly=True)
    breaker_state = fields.Selection(
        [("closed", "Working"), ("open", "Waiting"), ("half_open", "Trying")], required=True, default="closed",
        readonly=True)
    breaker_kind = fields.Selection(
        [("refused", "Refused"), ("outage", "Outage"), ("quota", "Quota used up")], readonly=True)
    breaker_until = fields.Datetime(readonly=True)
    breaker_reason = fields.Char(readonly=True)
    reads_until = fields.Datetime(
        readonly=True, help="Until then nothing is read, so that the rest of the vendor's quota is for write-backs.")
    open_count = fields.Integer(readonly=True, help="Failed attempts since it last worked: doubles the wait.")
    failure_count = fields.Integer(readonly=True, help="Transient failures in a row.")
    failing_since = fields.Datetime(readonly=True)
    last_success_at = fields.Datetime(readonly=True)

    _connection_uniq = models.UniqueIndex("(connection_id)", "A connection has one gate.")
