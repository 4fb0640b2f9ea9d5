import hashlib
import json
from collections import defaultdict
from typing import NamedTuple

from odoo import models
from odoo.tools import SQL


class Standing(NamedTuple):
    """One invoice that an entry or contract stands or stood on.

    :param invoice_id: account.move id, posted at least once
    :param posted: whether it is posted now
    :param net: whether anything is left on it after credits
    :param credit_id: latest posted credit note that took some of it back, or None
    """

    invoice_id: int
    posted: bool
    net: bool
    credit_id: int | None


def standings(env, key, ids):
    """Return ``{entry or contract id: [Standing]}`` from the ledger, in one query.

    :param key: ``entry`` or ``order``: what to sum up
    """
    env["psa.allocation"].flush_model()
    env["account.move"].flush_model(["state", "posted_before"])
    result = defaultdict(list)
    for row in env.execute_query(SQL(
        """
        SELECT %(key)s, invoice.id, invoice.state = 'posted',
               COALESCE(SUM(allocation.amount) FILTER (WHERE %(counted)s), 0) <> 0
               OR COALESCE(SUM(allocation.quantity) FILTER (WHERE %(counted)s), 0) <> 0,
               MAX(allocation.move_id) FILTER (WHERE allocation.kind = 'credit' AND allocation.state = 'posted')
          FROM psa_allocation allocation
          JOIN psa_entry entry ON entry.id = allocation.entry_id
     LEFT JOIN account_move_line origin ON origin.id = allocation.origin_line_id
          JOIN account_move invoice ON invoice.id = COALESCE(origin.move_id, allocation.move_id)
         WHERE %(key)s = ANY(%(ids)s) AND invoice.posted_before
      GROUP BY 1, invoice.id
        """,
        key=SQL("entry.id") if key == "entry" else SQL("entry.order_id"),
        counted=SQL("allocation.state = 'posted' OR (allocation.kind = 'invoice' AND allocation.state = 'draft')"),
        ids=list(ids),
    )):
        result[row[0]].append(Standing(*row[1:]))
    return result


def status_hash(values):
    """Return a short fingerprint of billing status values: the same status is told once."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]


class PsaEntry(models.Model):
    """What is told to the source about an entry's billing: a function of the ledger and its invoices."""

    _inherit = "psa.entry"

    def _billing_status(self):
        """Return ``{entry id: billing_status values}`` of those entries whose source is to know something.

        An entry is told about once an invoice of it was posted, and from then on about whatever happens to it: the
        latest invoice with anything of it left, else the latest there was. Two queries for any number of entries.
        """
        found = standings(self.env, "entry", self.ids)
        told_before = self.sudo().search([("id", "in", self.ids), ("status_sequence", ">", 0)]).ids
        values_of = StatusValues(self.env)
        return {
            entry_id: values_of(max(
                found[entry_id], key=lambda standing: (standing.net, standing.invoice_id), default=None))
            for entry_id in {*found, *told_before}
        }


class StatusValues:
    """Billing status values by :class:`Standing`, made once for all entries that stand alike."""

    def __init__(self, env):
        self._moves = env["account.move"].sudo()
        self._values = {}

    def __call__(self, standing):
        if standing not in self._values:
            invoice, credit = self._moves, self._moves
            if standing:
                invoice, credit = invoice.browse(standing.invoice_id), credit.browse(standing.credit_id or ())
            self._values[standing] = invoice._psa_billing_status(bool(standing and standing.net), credit)
        return self._values[standing]
