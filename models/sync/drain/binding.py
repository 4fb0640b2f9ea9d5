"""What the batch's records are in Odoo already, and whether they are news."""

from odoo.tools import SQL

from ..item import DELETE, UPSERT, Bound, Item, Outcome

_COLUMNS = SQL(
    "id, object_type, external_id, canonical_type, res_model, res_id, source_version, fingerprint, alias_of_id, "
    "deleted_at_source, message_id, part_of, applied, merged_at_source, former_id, own_record, split_from")


def load(batch):
    """Load and lock the bindings of all records in the batch, and of the parts that they had before.

    The locks are taken in one order (id), so that two workers cannot wait for each other. A binding that changed after
    this transaction's snapshot ends it (serialization failure), and it is tried again.
    """
    whole, owners, part_types = set(), set(), set()
    for claim in batch.open_claims():
        if parts := batch.streams[claim.stream].spec.parts:
            owners.add(claim.external_id)
            part_types.update(parts)
        whole.update((item.object_type, item.external_id) for item in claim.items if item.part_of is None)
    rows = _lock_records(batch, sorted(whole)) if whole else []
    if owners:
        rows += _lock_parts(batch, sorted(owners), sorted(part_types))
    for row in rows:
        bound = Bound(*row)
        batch.bound[bound.reference] = bound
    _add_gone_parts(batch)
    records = _records(batch)
    for claim in batch.open_claims():
        for item in claim.items:
            item.binding = batch.bound.get((item.object_type, item.external_id))
            if item.binding is not None:
                item.own = item.binding.own_record
                item.bind_record(records.get((item.binding.res_model, item.binding.res_id)))


def _lock_records(batch, references):
    return batch.env.execute_query(SQL(
        """
        SELECT %(columns)s FROM psa_binding
         WHERE connection_id = %(connection)s
           AND (object_type, external_id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
      ORDER BY id FOR NO KEY UPDATE
        """, columns=_COLUMNS, connection=batch.connection.id,
        types=[object_type for object_type, _id in references],
        ids=[external_id for _type, external_id in references]))


def _lock_parts(batch, owners, part_types):
    return batch.env.execute_query(SQL(
        """
        SELECT %(columns)s FROM psa_binding
         WHERE connection_id = %(connection)s AND part_of = ANY(%(owners)s) AND object_type = ANY(%(types)s)
      ORDER BY id FOR NO KEY UPDATE
        """, columns=_COLUMNS, connection=batch.connection.id, owners=owners, types=part_types))


def _add_gone_parts(batch):
    """A part that the record had and does not have any more (a day without hours) is deleted with this version."""
    by_owner = {}
    for bound in batch.bound.values():
        if bound.part_of is not None and not bound.deleted_at_source:
            by_owner.setdefault(bound.part_of, []).append(bound)
    for claim in batch.open_claims():
        parts = batch.streams[claim.stream].spec.parts
        present = {(item.object_type, item.external_id) for item in claim.items}
        for bound in by_owner.get(claim.external_id, ()):
            if bound.object_type in parts and bound.reference not in present:
                claim.items.append(Item(
                    claim, bound.object_type, bound.external_id, bound.canonical_type, {}, operation=DELETE,
                    part_of=bound.part_of))


def _records(batch):
    """Return ``{(model, id): record}`` of the bound records that still exist, one query a model."""
    ids_by_model = {}
    for bound in batch.bound.values():
        if bound.res_id:
            ids_by_model.setdefault(bound.res_model, set()).add(bound.res_id)
    return {
        (model_name, record.id): record
        for model_name, ids in ids_by_model.items()
        for record in batch.env[model_name].browse(sorted(ids)).exists()
    }


def compare(batch):
    """Skip what is older than what was applied, what changed nothing, and deletions of what never was here."""
    for claim in batch.open_claims():
        for item in claim.items:
            _compare_item(batch, claim, item)
            item.settle()
        if not claim.items:
            claim.outcome = Outcome("skipped", reason="out_of_scope")


def _compare_item(batch, claim, item):
    bound = item.binding
    if bound is None:
        if item.operation == DELETE:
            item.skip("out_of_scope")
        return
    if not claim.is_newer_than(bound.source_version or "", bound.message_id or 0):
        item.skip("stale")
    elif bound.alias_of_id:
        if _is_unmerged(claim, item):
            item.left, item.own = item.record, True
            item.bind_record(_former_record(batch, item))
        else:
            item.skip("out_of_scope")  # merged away: the surviving record speaks for it
    elif _is_unchanged(claim, item):
        item.skip("unchanged")


def _is_unmerged(claim, item):
    """The source merged it away and now tells of it as living, in a version after the merge."""
    bound = item.binding
    return (bound.merged_at_source and item.operation == UPSERT and not item.values.get("merged_into")
            and claim.source_version > (bound.source_version or claim.source_version))


def _former_record(batch, item):
    """Return the record that it was before the merge, when that is there and nothing else is bound to it."""
    bound = item.binding
    record = batch.env[bound.res_model].browse(bound.former_id).exists() if bound.former_id else None
    if record and not batch.env["psa.binding"]._bound_to(batch.connection, item.object_type, record):
        return record
    return None


def _is_unchanged(claim, item):
    bound = item.binding
    if item.operation == DELETE:
        return bound.deleted_at_source
    return (item.operation == UPSERT and claim.origin != "replay" and item.fingerprint == bound.fingerprint
            and item.record and not bound.deleted_at_source)
