"""Which of several messages about one record counts: the newest."""

from odoo.tools import SQL

from ..item import Outcome


def supersede(batch):
    """Skip the claims that are older than another open message of the same record.

    Older open messages outside the batch are remembered: they end when the newer one has an outcome.
    """
    newest = {}
    for claim in batch.claims:
        rival = newest.get(claim.reference)
        if rival is None:
            newest[claim.reference] = claim
        elif claim.is_newer_than(rival.source_version, rival.id):
            newest[claim.reference] = claim
            rival.outcome = Outcome("skipped", reason="superseded")
        else:
            claim.outcome = Outcome("skipped", reason="superseded")
    for row in _open_siblings(batch, newest):
        claim = newest[row["object_type"], row["external_id"]]
        if not claim.open:
            continue
        if claim.is_newer_than(row["source_version"] or "", row["id"]):
            if row["state"] in ("waiting", "held", "dead"):  # the others are claimed by and by, and stale then
                batch.older.setdefault(claim, []).append(row)
        elif row["state"] != "dead":
            claim.outcome = Outcome("skipped", reason="superseded")


def _open_siblings(batch, newest):
    """Return the messages outside the batch that are about its records and not finished, in one query."""
    references = list(newest)
    return batch.env.execute_query_dict(SQL(
        """
        SELECT message.id, message.object_type, message.external_id, message.source_version, message.state,
               message.exception_id
          FROM unnest(%(types)s::text[], %(ids)s::text[]) AS record(object_type, external_id)
          JOIN psa_message message
            ON message.external_id = record.external_id AND message.object_type = record.object_type
         WHERE message.connection_id = %(connection)s AND message.direction = 'in' AND message.operation <> 'hint'
           AND message.state NOT IN ('done', 'skipped') AND message.id <> ALL(%(claimed)s)
        """,
        types=[object_type for object_type, _id in references], ids=[external_id for _type, external_id in references],
        connection=batch.connection.id, claimed=[claim.id for claim in batch.claims]))
