"""The records that a canonical record refers to: found, awaited, or known to be missing."""

import functools

from ....connectors import canonical
from ..item import MERGE, record_key

#: Canonical types whose absence never keeps a record waiting (who owns a deal is good to know, no more).
NEVER_AWAITED = {"user"}
#: Canonical types that a record can do without once the source says that they do not exist.
DISPENSABLE = {"user", "person", "task"}


class Missing:
    """A parent that is not in Odoo.

    :ivar fetch: nobody has asked the source for it yet
    :ivar gone: the source says that it does not exist
    :ivar removed: it was bound and its Odoo record was deleted
    """

    __slots__ = ("reference", "key", "fetch", "gone", "removed")

    def __init__(self, connection, reference, removed=False):
        self.reference = reference
        self.key = record_key(connection.id, *reference)
        self.fetch = False
        self.gone = False
        self.removed = removed


@functools.cache
def _reference_fields(type_name):
    """Return ``[(field name, canonical type it refers to)]``."""
    return [(name, spec.refers) for name, spec in canonical.TYPES[type_name].fields.items()
            if spec.kind == canonical.REFERENCE]


def _links(item):
    if item.operation == MERGE:
        return [("winner", item.canonical_type, item.values["winner"])]
    return [(name, refers, item.values[name]) for name, refers in _reference_fields(item.canonical_type)
            if item.values.get(name) is not None]


def attach(batch, items):
    """Fill ``item.parents``; an item whose parent is not there waits or is held."""
    links = {item: _links(item) for item in items}
    _resolve(batch, {
        (link.object_type, link.external_id) for found in links.values() for _name, _refers, link in found})
    for item, found in links.items():
        for name, _refers, link in found:
            record = batch.resolved[link.object_type, link.external_id]
            if record is not None:
                item.parents[name] = record
    _learn_missing(batch, {
        (link.object_type, link.external_id)
        for found in links.values() for _name, refers, link in found
        if refers not in NEVER_AWAITED and batch.resolved[link.object_type, link.external_id] is None})
    for item, found in links.items():
        for name, refers, link in found:
            if name not in item.parents and refers not in NEVER_AWAITED and item.ok:
                _decide(batch, item, refers, batch.missing[link.object_type, link.external_id])
        _choose_company(item)


def _resolve(batch, references):
    """Look up what is not known yet: one query for the bindings, one a model for what still exists."""
    unknown = {reference for reference in references if batch.resolved.get(reference) is None}
    found = batch.env["psa.binding"]._resolve(batch.connection, unknown)
    ids_by_model = {}
    for model_name, record_id in found.values():
        ids_by_model.setdefault(model_name, set()).add(record_id)
    records = {
        (model_name, record.id): record
        for model_name, ids in ids_by_model.items()
        for record in batch.env[model_name].browse(sorted(ids)).exists()
    }
    for reference in unknown:
        batch.resolved[reference] = records.get(found.get(reference))
        if reference in found and batch.resolved[reference] is None:
            batch.missing[reference] = Missing(batch.connection, reference, removed=True)
    _recognise(batch, unknown - found.keys())


def _recognise(batch, references):
    """Bind what is named by a key that people use for it in Odoo too: a project's code, a person's e-mail address."""
    if not references:  # a batch of one message would spend a good part of its time on asking
        return
    natural = batch.connection._natural_keys()
    keys_by_type = {}
    for object_type, external_id in references:
        if object_type in natural:
            keys_by_type.setdefault(object_type, set()).add(external_id)
    for object_type, keys in keys_by_type.items():
        found = batch.env["psa.apply"]._handler(natural[object_type])._recognise(batch.connection, keys)
        batch.env["psa.binding"]._bind_keys(batch.connection, object_type, natural[object_type], found)
        batch.resolved.update(((object_type, key), record) for key, record in found.items())


def _learn_missing(batch, references):
    """Find out in one query what the queue knows of parents that are not bound."""
    unknown = sorted(reference for reference in references if reference not in batch.missing)
    if not unknown:
        return
    known = batch.env["psa.message"]._last_heard(batch.connection, unknown)
    for reference in unknown:
        missing = batch.missing[reference] = Missing(batch.connection, reference)
        missing.fetch = reference not in known
        missing.gone = known.get(reference) == "gone"


def _decide(batch, item, refers, missing):
    """Let ``item`` wait for its parent, go on without it, or hold it for a person."""
    if not missing.gone and not missing.removed and (not missing.fetch or _stream_of(batch, missing)):
        item.wait(*missing.reference)
        return
    if refers in DISPENSABLE:
        return
    object_type, external_id = missing.reference
    names = {
        "record": item.name, "parent": f"{object_type} {external_id}",
        "connection": batch.connection.name, "label": canonical.TYPES[refers].label.lower(),
    }
    if missing.removed:
        text = batch.env._("The %(label)s of %(record)s (%(parent)s) was deleted in Odoo.", **names)
    elif missing.gone:
        text = batch.env._(
            "%(record)s names the %(label)s %(parent)s, which %(connection)s does not have.", **names)
    elif object_type in batch.connection._natural_keys():
        text = batch.env._(
            "%(record)s names the %(label)s “%(key)s”, which does not stand for exactly one record in Odoo. Link it to "
            "the right one.", key=external_id, **names)
    else:
        text = batch.env._(
            "%(record)s belongs to the %(label)s %(parent)s, and no active stream reads such records.", **names)
    item.hold("unknown_person" if refers == "resource" else "missing_parent", text, key=missing.key)


def _stream_of(batch, missing):
    """Return the active stream that reads the type of a missing parent."""
    return batch.connection.stream_ids.filtered(
        lambda stream: stream.direction == "in" and stream.active and stream.object_type == missing.reference[0])[:1]


def fetch_missing(batch):
    """Ask once for the parents that claims of the batch wait for and nobody has asked for."""
    awaited = {item.outcome.key for claim in batch.claims for item in claim.items
               if item.outcome is not None and item.outcome.state == "waiting"}
    ids_by_stream = {}
    for missing in batch.missing.values():
        if missing.fetch and missing.key in awaited:
            stream = _stream_of(batch, missing)
            ids_by_stream.setdefault(stream, []).append(missing.reference[1])
    for stream, external_ids in ids_by_stream.items():
        stream._request_fetch(sorted(external_ids))


def _choose_company(item):
    """A record without a legal entity of its own belongs to its parent's."""
    named = item.values.get("company")
    if named is not None and not isinstance(named, str):
        item.company = named
        return
    for name in ("project", "deal", "resource", "party", "winner"):
        parent = item.parents.get(name)
        if parent is not None and "company_id" in parent._fields and parent.company_id:
            item.company = parent.company_id
            return
