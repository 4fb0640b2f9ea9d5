"""What has been applied is bound at once: the next type, and what handlers ask for, must find it."""

import json

from markupsafe import Markup

from odoo.tools import SQL

from ....connectors import canonical
from ..item import DELETE, MERGE, UPSERT, record_key

#: Records of these types are what others wait for; nothing refers to time or expenses.
AWAITED_TYPES = {field.refers for spec in canonical.TYPES.values() for field in spec.fields.values() if field.refers}


def write(batch, handler, items):
    """Insert and update the bindings of applied ``items`` of one type: two statements, three with merges."""
    if not items:
        return
    new, known = [], []
    for item in items:
        (known if item.binding else new).append(item)
        if item.operation != DELETE:
            batch.resolved[item.object_type, item.external_id] = item.record
        if item.canonical_type in AWAITED_TYPES:
            batch.woken.add(record_key(item.connection.id, item.object_type, item.external_id))
    winners = _winners(batch, [item for item in items if item.operation == MERGE])
    _insert(batch, [_row(item, handler, winners) for item in new])
    _update(batch, [(item.binding.id, *_row(item, handler, winners)) for item in known])
    _move_aliases(batch, [item for item in known if item.operation == MERGE], winners)
    _take_aliases_along(batch, [
        item.binding.id for item in known
        if item.operation == UPSERT and item.record and not item.left and item.record.id != item.binding.res_id])
    _restore_unmerged(batch, [item for item in known if item.left])
    batch.env["psa.binding"].invalidate_model()


def _row(item, handler, winners):
    record = item.record
    applied = handler._applied(item) if item.owners else None
    former = item.bound_record.exists() if item.operation == MERGE and item.bound_record else None
    return (
        item.object_type, item.external_id, item.part_of, item.canonical_type,
        record._name if record else None, record.id if record else None,
        item.company.id, item.source_version or None, item.fingerprint,
        json.dumps(applied) if applied else None, winners.get(item), item.operation == DELETE, item.message.id,
        former.id if former and former != record else None)


def _columns(rows):
    return [list(column) for column in zip(*rows, strict=True)]


def _insert(batch, rows):
    if not rows:
        return
    (types, ids, owners, canonical_types, models, record_ids, companies, versions, fingerprints, applied, aliases,
     deleted, messages, _former) = _columns(rows)
    batch.env.cr.execute(SQL(
        """
        INSERT INTO psa_binding (
            connection_id, create_uid, create_date, write_uid, write_date, object_type, external_id, part_of,
            canonical_type, res_model, res_id, company_id, source_version, fingerprint, applied, alias_of_id,
            deleted_at_source, message_id, merged_at_source)
        SELECT %s, %s, now() AT TIME ZONE 'UTC', %s, now() AT TIME ZONE 'UTC', new.*, new.alias_of_id IS NOT NULL
          FROM unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[], %s::int[], %s::int[],
                      %s::varchar[], %s::varchar[], %s::jsonb[], %s::int[], %s::bool[], %s::int[])
               AS new(object_type, external_id, part_of, canonical_type, res_model, res_id, company_id, source_version,
                      fingerprint, applied, alias_of_id, deleted, message_id)
        """,
        batch.connection.id, batch.env.uid, batch.env.uid, types, ids, owners, canonical_types, models, record_ids,
        companies, versions, fingerprints, applied, aliases, deleted, messages))


def _update(batch, rows):
    if not rows:
        return
    (binding_ids, _types, _ids, _owners, _canonical, models, record_ids, companies, versions, fingerprints, applied,
     aliases, deleted, messages, former) = _columns(rows)
    batch.env.cr.execute(SQL(
        """
        UPDATE psa_binding
           SET res_model = new.res_model, res_id = new.res_id, company_id = new.company_id,
               source_version = COALESCE(new.source_version, psa_binding.source_version),
               fingerprint = new.fingerprint, applied = new.applied,
               alias_of_id = new.alias_of_id, merged_at_source = new.alias_of_id IS NOT NULL,
               former_id = new.former_id,
               deleted_at_source = new.deleted, message_id = new.message_id, write_uid = %s,
               write_date = now() AT TIME ZONE 'UTC'
          FROM unnest(%s::int[], %s::varchar[], %s::int[], %s::int[], %s::varchar[], %s::varchar[], %s::jsonb[],
                      %s::int[], %s::bool[], %s::int[], %s::int[])
               AS new(id, res_model, res_id, company_id, source_version, fingerprint, applied, alias_of_id, deleted,
                      message_id, former_id)
         WHERE psa_binding.id = new.id
        """,
        batch.env.uid, binding_ids, models, record_ids, companies, versions, fingerprints, applied, aliases, deleted,
        messages, former))


# === MERGES === #

def _winners(batch, items):
    """Return ``{item: id of the binding of the record that it was merged into}``."""
    if not items:
        return {}
    winners = {(item.values["winner"].object_type, item.values["winner"].external_id) for item in items}
    ids = {
        (object_type, external_id): alias_of_id or binding_id
        for binding_id, object_type, external_id, alias_of_id in batch.env.execute_query(SQL(
            """
            SELECT id, object_type, external_id, alias_of_id FROM psa_binding
             WHERE connection_id = %s AND (object_type, external_id) IN (
                   SELECT * FROM unnest(%s::text[], %s::text[]))
            """, batch.connection.id, [object_type for object_type, _id in winners],
            [external_id for _type, external_id in winners]))
    }
    return {item: ids[item.values["winner"].object_type, item.values["winner"].external_id] for item in items}


def _move_aliases(batch, items, winners):
    """What was merged into a loser before is now merged into its winner."""
    if not items:
        return
    batch.env.cr.execute(SQL(
        """
        UPDATE psa_binding
           SET alias_of_id = winner.id, res_model = winner.res_model, res_id = winner.res_id
          FROM unnest(%s::int[], %s::int[]) AS merged(loser_id, winner_id)
          JOIN psa_binding winner ON winner.id = merged.winner_id
         WHERE psa_binding.alias_of_id = merged.loser_id
        """, [item.binding.id for item in items], [winners[item] for item in items]))


def _take_aliases_along(batch, binding_ids):
    """What was merged into a record that is another one in Odoo now is that one too."""
    if not binding_ids:
        return
    for object_type, external_id in batch.env.execute_query(SQL(
        """
        UPDATE psa_binding SET res_model = main.res_model, res_id = main.res_id
          FROM psa_binding main
         WHERE psa_binding.alias_of_id = main.id AND main.id = ANY(%s)
        RETURNING psa_binding.object_type, psa_binding.external_id
        """, binding_ids)):
        batch.resolved.pop((object_type, external_id), None)
        batch.woken.add(record_key(batch.connection.id, object_type, external_id))


def _restore_unmerged(batch, items):
    """A record that was archived for the merge is in use again; both records tell, where they have a history."""
    for item in items:
        if "active" in item.record._fields and not item.record.active:
            item.record.active = True
        if not hasattr(item.record, "_message_log"):
            continue
        text = Markup("%s %s")
        item.left._message_log(body=text % (batch.env._(
            "%(record)s was merged into this one at %(connection)s and is a record of its own again. What was booked "
            "stays here:", record=item.name, connection=item.connection.name), item.record._get_html_link()))
        item.record._message_log(body=text % (batch.env._(
            "%(record)s was merged into another one at %(connection)s and is a record of its own again. What was "
            "booked in between stays there:", record=item.name, connection=item.connection.name),
            item.left._get_html_link()))
