from odoo import Command, api, fields, models
from odoo.exceptions import UserError

from ..connectors import jsontext
from ..models.sync.mapper import field_label
from ..models.sync.overlay import leaves, overlaid, path_text
from ..models.sync.personal import MASK


class PsaMessageCorrect(models.TransientModel):
    """Shows what a message says, value by value, and notes what is to be read instead."""

    _name = "psa.message.correct"
    _description = "Correct a Message"

    message_id = fields.Many2one("psa.message", required=True, readonly=True)
    error = fields.Text(related="message_id.error")
    risk_amount = fields.Monetary(related="message_id.risk_amount", currency_field="risk_currency_id")
    risk_currency_id = fields.Many2one(related="message_id.risk_currency_id")
    second_person = fields.Boolean(compute="_compute_second_person")
    line_ids = fields.One2many("psa.message.correct.line", "wizard_id")
    reason = fields.Text(help="Kept for ever with the correction.")

    @api.depends("message_id")
    def _compute_second_person(self):
        for wizard in self:
            wizard.second_person = not self.env["psa.message.change"]._is_small(wizard.message_id)

    @api.model
    def _for_message(self, message):
        """Return a new dialog about ``message``: the fields that the field map reads first, then all others.

        :raise UserError: its content is no JSON document, or was purged
        """
        raw = self._content(message)
        clear = self.env.su or self.env.user.has_group("psa_hub.group_personal")
        known = message.sudo()
        hidden = None if clear else known._personal_test(known._personal_mappers().get(message.id), raw)
        labels = self._labels(message)
        found = {path: MASK if hidden and isinstance(value, str) and hidden(value) else value
                 for path, value in leaves(raw) if path}
        missing = [path for path in labels if path not in found and not message.stream_id._spec().parts]
        lines = [(path, found.get(path)) for path in (*missing, *sorted(found, key=lambda path: path not in labels))]
        return self.create({
            "message_id": message.id,
            "line_ids": [Command.create({
                "path": list(path), "name": path_text(path), "label": labels.get(path, ""),
                "old_value": jsontext.dumps(value), "shown": _shown(value), "value": _shown(value),
            }) for path, value in lines],
        })

    @api.model
    def _content(self, message):
        """Return what ``message`` is read as now.

        :raise UserError: its content is no JSON document, or was purged
        """
        try:
            return overlaid(jsontext.loads(message.sudo().payload or ""), message.sudo().overlay)
        except ValueError as error:
            raise UserError(self.env._("The content of %s cannot be corrected: it is not there, or no record.",
                                       message.display_name)) from error

    @api.model
    def _labels(self, message):
        """Return ``{path: canonical field as people read it}`` of the plain paths that the field map reads."""
        mapping = message.mapping_id or message.stream_id.mapping_id
        return {
            tuple(line.path.split(".")): field_label(line.canonical_field) for line in mapping.line_ids
            if line.path and all(part.isidentifier() for part in line.path.split("."))
        }

    def action_correct(self):
        """Note what was changed.

        :raise UserError: nothing was changed, a value is not of the kind that came, or no reason
        """
        self.ensure_one()
        came = dict(leaves(self._content(self.message_id)))
        changes = [
            (line.path, jsontext.dumps(came.get(tuple(line.path))), line._new_value()) for line in self.line_ids
            if (line.value or "") != (line.shown or "")
        ]
        self.env["psa.message.change"]._correct(self.message_id, changes, self.reason)
        return {"type": "ir.actions.client", "tag": "soft_reload"}


class PsaMessageCorrectLine(models.TransientModel):
    _name = "psa.message.correct.line"
    _description = "Value of a Message"

    wizard_id = fields.Many2one("psa.message.correct", required=True, ondelete="cascade")
    path = fields.Json(readonly=True)
    name = fields.Char("Field at the Source", readonly=True)
    label = fields.Char("Read as", readonly=True)
    old_value = fields.Text(readonly=True, help="As JSON: of which kind it is. Personal values are masked.")
    shown = fields.Text("Came as", readonly=True)
    value = fields.Text("Correct Value", help="Empty: no value.")

    def _new_value(self):
        """Return the corrected value as JSON text, of the kind that came."""
        self.ensure_one()
        old = jsontext.loads(self.old_value)
        text = (self.value or "").strip()
        if not text:
            return "null"
        if isinstance(old, str) or old is None:
            return jsontext.dumps(text)
        try:
            new = jsontext.loads(text)
        except ValueError:
            new = None
        if isinstance(new, bool) != isinstance(old, bool) or isinstance(new, (str, list, dict)) or new is None:
            raise UserError(self.env._(
                "“%(value)s” does not fit to %(field)s, which came as %(old)s.", value=text, field=self.name,
                old=self.shown))
        return text


def _shown(value):
    """Return a value as it stands in the field; a text without its quotes."""
    return "" if value is None else value if isinstance(value, str) else jsontext.dumps(value)
