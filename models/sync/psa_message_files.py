from odoo import api, models
from odoo.tools import SQL


class PsaMessage(models.Model):
    """Files that came with a record: kept as attachments of its message, beside the payload."""

    _inherit = "psa.message"

    @api.model
    def _keep_files(self, stream, new_ids, files):
        """Attach ``files`` to the messages that were just stored.

        :param new_ids: ids of the new messages of ``stream``
        :param files: ``{dedupe key: tuple of connectors.base.File}``
        """
        rows = self.env.execute_query(SQL(
            "SELECT id, dedupe_key FROM psa_message WHERE stream_id = %s AND id = ANY(%s) AND dedupe_key = ANY(%s)",
            stream.id, new_ids, list(files)))
        self.env["ir.attachment"].sudo().create([
            {"name": file.name, "mimetype": file.content_type, "raw": file.content, "res_model": self._name,
             "res_id": message_id}
            for message_id, key in rows for file in files[key]])

    def _files(self):
        """Return the attachments that came with this message, or with the one that it replays."""
        self.ensure_one()
        message = self.sudo()
        while message.origin_message_id:
            message = message.origin_message_id
        return self.env["ir.attachment"].sudo().search(
            [("res_model", "=", self._name), ("res_id", "=", message.id), ("res_field", "=", False)], order="id")
