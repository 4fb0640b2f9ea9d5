from odoo import fields, models


class PsaConnection(models.Model):
    """How the messages of a connection are worked on."""

    _inherit = "psa.connection"

    batch_size = fields.Integer(
        default=500, required=True,
        help="Messages that a worker takes at a time. More is faster and holds locks longer.")
    attempt_limit = fields.Integer(
        "Attempts", default=8, required=True, help="After this many failed attempts a message becomes a dead letter.")
    retry_base_seconds = fields.Integer(
        "First Pause (s)", default=30, required=True,
        help="The pause before another attempt doubles from here, with a random part.")
    retry_limit_seconds = fields.Integer("Longest Pause (s)", default=3600, required=True)
    payload_days = fields.Integer(
        "Keep Payloads (Days)", default=0, required=True,
        help="After this many days the content of this connection's finished messages is emptied. Their keys, hashes "
             "and outcomes stay, so that nothing is ever applied twice. 0: as the company's settings say.")

    _drain_positive = models.Constraint(
        "CHECK(batch_size BETWEEN 1 AND 1000 AND attempt_limit > 0 AND retry_base_seconds > 0 "
        "AND retry_limit_seconds >= retry_base_seconds AND payload_days >= 0)",
        "A batch has 1 to 1000 messages, there is at least one attempt, and the longest pause is not the shortest.")
