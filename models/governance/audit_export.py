import csv
import io
import json
from datetime import timedelta

from odoo import models

from .audit_chain import GENESIS, canonical

COLUMNS = ("sequence", "company_id", "moment", "user_id", "event", "res_model", "res_id", "before", "after", "reason",
           "salt", "erased", "seal", "former")


class PsaAudit(models.Model):
    """The trail as a file that proves itself: ``docs/verify_audit.py`` needs nothing else."""

    _inherit = "psa.audit"

    def _export_rows(self, company, date_from, date_to):
        """Yield a dict (:data:`COLUMNS`) for every sealed row of a company in a time, oldest first.

        :param date_from: date or False
        :param date_to: date or False, the last day that counts
        """
        domain = [("company_id", "=", company.id), ("sequence", "!=", False)]
        if date_from:
            domain += [("moment", ">=", date_from)]
        if date_to:
            domain += [("moment", "<", date_to + timedelta(days=1))]
        ((first, last),) = self.sudo()._read_group(domain, [], ["sequence:min", "sequence:max"])
        if not last:
            return
        former = GENESIS
        for row in self._chain(company.id, max(first - 2, 0), last):
            if row.sequence >= first:
                yield {
                    "sequence": row.sequence, "company_id": row.company_id, "moment": row.moment,
                    "user_id": row.user_id, "event": row.event, "res_model": row.res_model, "res_id": row.res_id,
                    **row.body, "salt": row.salt, "erased": row.erased, "seal": row.seal, "former": former,
                }
            former = row.seal

    def _export(self, file_format, company, date_from=False, date_to=False):
        """Return the file's content.

        :param file_format: ``json`` (one row a line, in a list) or ``csv`` (values as JSON)
        """
        rows = self._export_rows(company, date_from, date_to)
        if file_format == "json":
            return ("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n").encode()
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: canonical(value) for name, value in row.items()})
        return text.getvalue().encode()
