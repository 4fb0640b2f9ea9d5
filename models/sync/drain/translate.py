"""Codes of the source become Odoo records or codes of the hub, through the value maps."""

import functools

from ....connectors import canonical
from ..psa_value_map import DOMAINS, value_key


@functools.cache
def _code_fields(type_name):
    """Return ``[(field name, domain)]`` of the record and ``[(lines field, [(field name, domain)])]``."""
    own, lines = [], []
    for name, spec in canonical.TYPES[type_name].fields.items():
        if spec.kind == canonical.CODE:
            own.append((name, spec.domain))
        elif spec.kind == canonical.LINES:
            lines.append((name, [(inner, line.domain) for inner, line in spec.lines.items()
                                 if line.kind == canonical.CODE]))
    return sorted(own, key=lambda pair: pair[1] != "company"), lines


def _places(item):
    """Yield ``(dict, field name, domain)`` of every code that ``item`` really has."""
    own, lines = _code_fields(item.canonical_type)
    for name, domain in own:
        if isinstance(item.values.get(name), str):
            yield item.values, name, domain
    for lines_name, inner in lines:
        for line in item.values.get(lines_name) or ():
            for name, domain in inner:
                if isinstance(line.get(name), str):
                    yield line, name, domain


def translate(batch, items):
    """Replace the codes of ``items``. The company comes first: other values may mean different things in each."""
    items = [item for item in items if not item.translated]
    _translate(batch, items, lambda domain: domain == "company")
    for item in items:
        company = item.values.get("company")
        if company is not None and not isinstance(company, str):
            item.company = company
    _translate(batch, items, lambda domain: domain != "company")
    for item in items:
        item.translated = item.ok


def _translate(batch, items, takes):
    wanted, places = set(), []
    for item in items:
        for container, name, domain in _places(item):
            if takes(domain):
                places.append((item, container, name, domain))
                wanted.add((domain, container[name], item.company.id))
    known = batch.env["psa.value.map"]._lookup(batch.connection, wanted)
    unknown = []
    for item, container, name, domain in places:
        target = known.get((domain, container[name], item.company.id))
        if target is None:
            unknown.append((item, domain, container[name]))
        else:
            container[name] = target
    if unknown:
        _hold_unknown(batch, unknown)


def _hold_unknown(batch, unknown):
    rows = batch.env["psa.value.map"]._note_unknown(
        batch.connection, {(domain, value) for _item, domain, value in unknown})
    labels = dict(DOMAINS)
    for item, domain, value in unknown:
        if item.ok:
            item.hold(
                "unmapped_value",
                batch.env._(
                    "%(connection)s says “%(value)s” as %(kind)s, and nobody has said yet what that is in Odoo.",
                    connection=batch.connection.name, value=value, kind=labels[domain].lower()),
                key=value_key(batch.connection.id, domain, value),
                record=batch.env["psa.value.map"].browse(rows[domain, value]))
