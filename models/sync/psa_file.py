import io
import itertools
from datetime import datetime, timezone

from odoo import api, fields, models
from odoo.tools import SQL

from ...connectors.cursor import format_instant
from .file_rows import RowReader

CHUNK = 1000
#: Files up to so many rows are stored while the person waits.
AT_ONCE = 2000


class PsaFile(models.Model):
    """A file that a person uploaded: its rows become messages, like all that comes in.

    A large one is stored chunk by chunk by a scheduled job. Each chunk commits with the row that it came to, so that a
    killed worker leaves nothing half done and the next run goes on there.
    """

    _name = "psa.file"
    _description = "Uploaded File"
    _inherit = "psa.job"
    _job_cron = "psa_hub.cron_files"
    _order = "id desc"
    _check_company_auto = True

    # === FIELDS === #
    name = fields.Char(required=True, readonly=True)
    stream_id = fields.Many2one("psa.stream", required=True, readonly=True, ondelete="restrict", index=True)
    connection_id = fields.Many2one(related="stream_id.connection_id", store=True)
    company_id = fields.Many2one(related="stream_id.company_id", store=True, index=True)
    user_id = fields.Many2one("res.users", "Uploaded By", required=True, readonly=True,
                              default=lambda self: self.env.user)
    content = fields.Binary("File", attachment=True, required=True, readonly=True, copy=False)
    stamp = fields.Char(required=True, readonly=True, copy=False, help="The versions of the file's records begin so.")
    state = fields.Selection(
        [("running", "Being Stored"), ("done", "Stored"), ("failed", "Not Readable"), ("cancelled", "Cancelled")])
    row_count = fields.Integer("Rows", help="As far as they were counted.")
    done_count = fields.Integer("Rows Done")
    stored_count = fields.Integer("New or Changed", readonly=True)
    problem_count = fields.Integer(
        "Unreadable Rows", readonly=True, help="The inbox holds rows whose cells cannot be read for a person.")

    _running_idx = models.Index("(id) WHERE state = 'running'")

    # === UPLOAD === #
    @api.model
    def _upload(self, stream, name, content, row_count):
        """Keep a file and set it going.

        :param content: base64, as binary fields have it
        :param row_count: rows that it is known to have
        """
        stamp = format_instant(datetime.now(timezone.utc))
        file = self.sudo().create({
            "name": name, "stream_id": stream.id, "content": content, "row_count": row_count, "user_id": self.env.uid,
            "stamp": stamp})
        if row_count <= AT_ONCE:
            file._store_rows(file._records())
        else:
            file._wake_job()
        return file.sudo(False)

    # === ACTIONS === #
    def action_open_messages(self):
        """Open the messages that the rows became."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window", "name": self.name, "res_model": "psa.message",
            "views": [(False, "list"), (False, "form")],
            "domain": [("stream_id", "=", self.stream_id.id), ("origin", "=", "file"),
                       ("source_version", "=like", f"{self.stamp}|%")],
        }

    # === STORING === #
    def _job_source(self):
        return self._records()

    def _job_chunk(self, source):
        return self._store_rows(source, CHUNK)

    def _records(self):
        """Return the iterator of the file's records behind the rows that are done."""
        provider, spec = self.stream_id._declaration(self.stream_id.id)
        records = provider.read_file(spec, self.name, io.BytesIO(self._bytes()), self.stamp)
        for _record in itertools.islice(records, self.done_count):
            pass
        return records

    def _bytes(self):
        return self.env["ir.attachment"].sudo().search(
            [("res_model", "=", self._name), ("res_field", "=", "content"), ("res_id", "=", self.id)], limit=1).raw

    def _store_rows(self, records, limit=None):
        """Store the next rows of ``records``, in the caller's transaction. Return whether they came to their end."""
        stored = problems = count = 0
        stream = self.stream_id
        reader = RowReader(stream.sudo())
        while chunk := list(itertools.islice(records, min(limit - count, CHUNK) if limit else CHUNK)):
            count += len(chunk)
            problems += sum(1 for record in chunk if reader.look_at(record).problem)
            news = [record for record, kind in self._compare(stream, chunk) if kind != "unchanged"]
            stored += self.env["psa.message"].sudo()._receive(stream.sudo(), news, "file")
            if limit and count >= limit:
                break
        over = not limit or count < limit
        done = self.done_count + count
        values = {"done_count": done, "row_count": max(self.row_count, done),
                  "stored_count": self.stored_count + stored, "problem_count": self.problem_count + problems}
        if over:
            values |= {"state": "failed" if records.failure else "done", "error": records.failure or False,
                       "row_count": done}
        self.sudo().write(values)
        return over

    # === COMPARING === #
    @api.model
    def _compare(self, stream, records):
        """Yield ``(record, "new", "changed" or "unchanged")``, by what the inbox heard last of each."""
        provider = stream._declaration(stream.id)[0]
        versions = self._last_versions(stream, {record.external_id for record in records})
        for record in records:
            last = versions.get(record.external_id)
            if last is None:
                kind = "new"
            else:
                kind = "unchanged" if provider.says_the_same(last, record.version) else "changed"
            versions[record.external_id] = record.version  # of an id in two rows the later one counts
            yield record, kind

    def _last_versions(self, stream, external_ids):
        """Return ``{external id: newest version that came}``; a record that was deleted since is not in it."""
        rows = self.env.execute_query(SQL(
            """
            SELECT DISTINCT ON (external_id) external_id, source_version, operation FROM psa_message
             WHERE external_id = ANY(%s) AND object_type = %s AND connection_id = %s AND direction = 'in'
               AND operation <> 'hint'
          ORDER BY external_id, source_version COLLATE "C" DESC NULLS LAST, id DESC
            """, list(external_ids), stream.object_type, stream.connection_id.id))
        return {external_id: version or "" for external_id, version, operation in rows if operation != "delete"}

