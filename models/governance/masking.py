import json

from odoo import api, fields, models

from ..sync.personal import EMAIL, MASK, Personal, replaced


class PsaMessage(models.Model):
    """What a message's page shows of its content: with personal values for who may see them, else without."""

    _inherit = "psa.message"

    payload_text = fields.Text(
        "Content", compute="_compute_payload_text", compute_sudo=True,
        help="What came, indented when it is JSON, else as it is. Personal values are masked for who may not see them.")
    is_masked = fields.Boolean(compute="_compute_payload_text", compute_sudo=True)

    @api.depends("payload")
    @api.depends_context("uid")
    def _compute_payload_text(self):
        clear = self.env.user.has_group("psa_hub.group_personal")
        mappers = {} if clear else self._personal_mappers()
        for message in self:
            message.payload_text = message._content_text(clear, mappers)
            message.is_masked = bool(message.payload) and not clear and MASK in message.payload_text

    def _content_text(self, clear, mappers):
        """Return the content of one message as text.

        :param clear: with personal values
        :param mappers: see :meth:`_personal_mappers`
        """
        if not self.payload:
            return self.payload
        try:
            raw = json.loads(self.payload)
        except ValueError:  # a delivery that nobody could read: what in it is personal is not known
            return self.payload if clear else MASK
        if not clear:
            raw = replaced(raw, self._personal_test(mappers.get(self.id), raw), MASK)
        return json.dumps(raw, indent=2, ensure_ascii=False)

    def _personal_test(self, mapper, *raws):
        """Return the function that tells of a text in ``raws`` whether it is personal.

        Without a field map (``mapper`` None) nothing says what is: every text counts.
        """
        if self.direction == "in" and not mapper:
            return lambda _text: True
        is_personal = Personal(
            {text for raw in raws for text in mapper.personal_values(raw)} if mapper else (), parts=True)
        return lambda text: is_personal(text) or bool(EMAIL.search(text))

    def _personal_mappers(self):
        """Return ``{message id: Mapper}``: the field map that read it, else the one in force on its stream."""
        Mapping = self.env["psa.mapping"].sudo()
        unread = self.filtered(lambda message: not message.mapping_id)
        active = Mapping._active_by_stream(unread.stream_id.ids) if unread else {}
        return {
            message.id: Mapping._frozen_mapper(mapping_id)
            for message in self
            if (mapping_id := message.mapping_id.id or active.get(message.stream_id.id))
        }

    def action_unmask(self):
        """Ask an administrator why the personal values have to be seen."""
        self.env["psa.unmask"].check_access("create")
        self.ensure_one()
        return {
            "type": "ir.actions.act_window", "name": self.env._("Show Personal Data"), "res_model": "psa.unmask",
            "view_mode": "form", "views": [(False, "form")], "target": "new",
            "context": {"default_message_id": self.id},
        }
