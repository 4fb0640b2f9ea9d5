import io

from odoo import fields, models

from ...connectors.errors import ConnectorError
from ..sync.personal import Personal, texts


class PsaErasure(models.Model):
    """Uploaded files that name the person. Their rows are messages, which stay without it: the files can go."""

    _inherit = "psa.erasure"

    file_count = fields.Integer("Files", readonly=True, copy=False)

    def _erase_files(self):
        """Drop the contents of these files. :return: number of files"""
        is_personal = Personal(self.values)
        files = self.env["psa.file"].sudo().search([("state", "!=", "running")])
        contents = self.env["ir.attachment"].sudo().search([
            ("res_model", "=", files._name), ("res_field", "=", "content"), ("res_id", "in", files.ids)])
        named = contents.filtered(lambda content: files.browse(content.res_id)._says(content.raw, is_personal))
        named.unlink()
        return len(named)


class PsaFile(models.Model):
    _inherit = "psa.file"

    content = fields.Binary(groups="psa_hub.group_personal")

    def _says(self, content, is_test):
        """Return whether a text in the file passes ``is_test``.

        :param content: bytes
        :param is_test: called with each cell, or with each line of a file that cannot be read
        """
        self.ensure_one()
        provider, spec = self.stream_id._declaration(self.stream_id.id)
        try:
            records = provider.read_file(spec, self.name, io.BytesIO(content), self.stamp)
            if any(is_test(text) for record in records for text in texts(record.raw)):
                return True
            is_unread = bool(records.failure)
        except ConnectorError:  # not the kind of file that its name says
            is_unread = True
        return is_unread and any(is_test(line) for line in content.decode("utf-8", "replace").splitlines())
