from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

PIECE = 10_000


class PsaReplay(models.TransientModel):
    """Apply messages once more from what was stored: the chosen ones, or all of a stream since a moment.

    A replay is a new message; what it replays keeps its history. Of several versions of one record the newest counts,
    and nothing older than what is applied is ever applied.
    """

    _name = "psa.replay"
    _description = "Replay Messages"

    message_ids = fields.Many2many("psa.message", string="Messages")
    connection_id = fields.Many2one("psa.connection")
    stream_ids = fields.Many2many("psa.stream", string="Streams", domain="[('connection_id', '=', connection_id), "
                                                                        "('direction', '=', 'in')]")
    since = fields.Datetime("Received Since")
    until = fields.Datetime("Received Until", help="Empty: up to now.")
    states = fields.Selection(
        [("finished", "Done and skipped"), ("done", "Done"), ("stuck", "Held, waiting and dead"), ("all", "All")],
        required=True, default="done",
        help="Stuck messages go on themselves; finished ones are applied again as new messages.")
    count = fields.Integer("Messages to Replay", compute="_compute_count")

    @api.model
    def default_get(self, fields):
        values = super().default_get(fields)
        if self.env.context.get("active_model") == "psa.message":
            values["message_ids"] = [Command.set(self.env.context.get("active_ids", []))]
        elif self.env.context.get("active_model") == "psa.stream":
            streams = self.env["psa.stream"].browse(self.env.context.get("active_ids", []))
            values["connection_id"] = streams.connection_id[:1].id
            values["stream_ids"] = [Command.set(streams.ids)]
        elif self.env.context.get("active_model") == "psa.connection":
            values["connection_id"] = self.env.context.get("active_id")
        return values

    @api.depends("message_ids", "connection_id", "stream_ids", "since", "until", "states")
    def _compute_count(self):
        for wizard in self:
            if wizard.message_ids:
                wizard.count = len(wizard.message_ids)
            elif wizard.connection_id and wizard.since:
                wizard.count = self.env["psa.message"].search_count(wizard._domain())
            else:
                wizard.count = 0

    def _domain(self):
        domain = [
            ("connection_id", "=", self.connection_id.id), ("direction", "=", "in"), ("operation", "!=", "hint"),
            ("received_at", ">=", self.since), ("origin", "!=", "replay"), ("payload", "!=", False),
        ]
        states = {
            "finished": ("done", "skipped"), "done": ("done",), "stuck": ("held", "waiting", "retry", "dead"),
            "all": ("done", "skipped", "held", "waiting", "retry", "dead"),
        }[self.states]
        domain.append(("state", "in", states))
        if self.until:
            domain.append(("received_at", "<=", self.until))
        if self.stream_ids:
            domain.append(("stream_id", "in", self.stream_ids.ids))
        return domain

    def action_replay(self):
        """Send the messages on their way again, and say how many."""
        self.ensure_one()
        messages = self.message_ids
        if not messages:
            if not self.connection_id or not self.since:
                raise UserError(self.env._("Choose messages, or a connection and a moment."))
            messages = self.env["psa.message"].search(self._domain(), order="id")
        for start in range(0, len(messages), PIECE):
            messages[start:start + PIECE].action_retry()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("%s messages go again.", len(messages)),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
