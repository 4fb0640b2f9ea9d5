from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import SQL

from ..models.mapping.rehearsal import rehearse

PIECE = 10_000
#: A preview applies so many messages at the most, the newest ones.
PREVIEWED = 5_000


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
    order_id = fields.Many2one("sale.order", "Contract", help="What its entries came from, and what waits for it.")
    employee_id = fields.Many2one("hr.employee", "Person", help="What this person's entries came from.")
    cause_id = fields.Many2one("psa.exception.cause", help="What exceptions of this cause hold.")
    preview = fields.Html(readonly=True, sanitize=False)
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

    @api.depends("message_ids", "connection_id", "stream_ids", "since", "until", "states", "order_id", "employee_id",
                 "cause_id")
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
            ("received_at", ">=", self.since), ("origin", "!=", "replay"),
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
        if self.cause_id:
            domain.append(("exception_id.cause_id", "=", self.cause_id.id))
        # Whether a content is there is no secret, only the content is.
        domain = Domain(domain) & Domain.custom(
            to_sql=lambda _model, alias, _query: SQL("%s.payload IS NOT NULL", SQL.identifier(alias)))
        if work := [(name, "=", self[name].id) for name in ("order_id", "employee_id") if self[name]]:
            entries = self.env["psa.entry"]._search([*work, ("message_id", "!=", False)])
            about = Domain("id", "in", entries.subselect("message_id"))
            if self.order_id and not self.employee_id:
                about |= Domain("order_id", "=", self.order_id.id)
            domain &= about
        return domain

    def _messages(self):
        """Return the chosen messages, oldest first. :raise UserError: nothing was chosen"""
        self.ensure_one()
        if self.message_ids:
            return self.message_ids.sorted("id")
        if not self.connection_id or not self.since:
            raise UserError(self.env._("Choose messages, or a connection and a moment."))
        return self.env["psa.message"].search(self._domain(), order="id")

    # === PREVIEW === #
    def action_preview(self):
        """Apply them in a savepoint, show what that changes on contracts, and take it back."""
        messages = self._messages().filtered(lambda message: message.direction == "in")
        tried, rows, stopped = messages[-PREVIEWED:], [], {}
        for connection, group in tried.sudo().grouped("connection_id").items():
            found, held = rehearse(self.sudo().env, connection, group.ids)
            rows += found
            for text, count in held.items():
                stopped[text] = stopped.get(text, 0) + count
        self.preview = self._difference(len(tried), len(messages), rows, stopped)
        return {
            "type": "ir.actions.act_window", "name": self.env._("Replay"), "res_model": self._name, "res_id": self.id,
            "view_mode": "form", "views": [(False, "form")], "target": "new",
        }

    def _difference(self, tried, total, rows, stopped):
        text = Markup("<p>%s</p>") % (
            self.env._("%(tried)s of %(total)s messages were tried, the newest ones.", tried=tried, total=total)
            if tried < total else self.env._("%s messages were tried.", tried))
        if not rows:
            text += Markup("<p>%s</p>") % self.env._("No amount would change.")
        else:
            Currency = self.env["res.currency"]
            columns = {
                "amount_before": self.env._("To Bill Now"), "amount_after": self.env._("To Bill Then"),
                "amount_change": self.env._("Change"), "tax_change": self.env._("Change of Tax")}
            head = Markup().join(Markup("<th class='text-end'>%s</th>") % label for label in columns.values())
            body = Markup().join(
                Markup("<tr><td class='fw-bold'>%s</td><td>%s</td>%s</tr>") % (
                    row["order_name"], row["partner_name"], Markup().join(
                        Markup("<td class='text-end text-nowrap' data-label='%s'>%s</td>") % (
                            label, Currency.browse(row["currency_id"]).format(row[name]))
                        for name, label in columns.items()))
                for row in rows)
            text += Markup(
                "<div class='table-responsive'><table class='table table-sm o_psa_stacked'><thead><tr><th>%s</th>"
                "<th>%s</th>%s</tr></thead><tbody>%s</tbody></table></div>") % (
                self.env._("Contract"), self.env._("Customer"), head, body)
        return text + Markup().join(
            Markup("<p class='text-warning-emphasis'>%s</p>") % self.env._(
                "%(count)s would be held: %(reason)s", count=count, reason=reason)
            for reason, count in sorted(stopped.items(), key=lambda pair: -pair[1])[:10])

    # === REPLAY === #
    def action_replay(self):
        """Send the messages on their way again, and say how many."""
        messages = self._messages()
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
