"""Helpers that every apply handler shares: compare with what Odoo holds, write in groups, name subjects."""

from collections import defaultdict

from odoo.tools import float_compare, float_round


def share_prefetch(items):
    """Let the items' records and parents be read together: one query a model, not one a record."""
    ids = defaultdict(set)
    for item in items:
        for record in (item.record, *item.parents.values()):
            if record:
                ids[record._name].add(record.id)
    ids = {model_name: tuple(model_ids) for model_name, model_ids in ids.items()}
    for item in items:
        if item.record:
            item.record = item.record.with_prefetch(ids[item.record._name])
        for name, record in item.parents.items():
            if record:
                item.parents[name] = record.with_prefetch(ids[record._name])


def changed_values(record, values):
    """Return those of ``values`` (scalars, ids for many2one) that differ from what ``record`` holds.

    Numbers are compared after the rounding that the field would do, so that 41.237 against a stored 41.24 is no change.
    """
    return {
        name: value for name, value in values.items() if not _same(record, record._fields[name], value)
    }


def _same(record, field, value):
    current = record[field.name]
    if field.type == "many2one":
        return (current.id or False) == (value or False)
    if field.type == "monetary":
        currency = record[field.get_currency_field(record)]
        value = float(value or 0.0)
        return currency.compare_amounts(current, value) == 0 if currency else current == value
    if field.type == "float":
        digits = field.get_digits(record.env)
        value = float(value or 0.0)
        if digits:
            value = float_round(value, precision_digits=digits[1])
            return float_compare(current, value, precision_digits=digits[1]) == 0
        return float_compare(current, value, precision_digits=9) == 0
    if field.type == "boolean":
        return bool(current) == bool(value)
    return (current or False) == (value or False)


def write_grouped(changes):
    """Write ``changes`` with one ``write`` for each distinct set of values.

    :param changes: iterable of ``(record, values)``; values are scalars; empty values are left out
    """
    groups = defaultdict(list)
    for record, values in changes:
        if values:
            groups[tuple(sorted(values.items(), key=lambda pair: pair[0]))].append(record)
    for values, records in groups.items():
        records[0].union(*records).write(dict(values))


def save(handler, model_name, items, values):
    """Create the records that ``items`` lack and write what differs on the others, in one create and grouped writes.

    :param handler: recordset of the handler, in the right company; its ``_owned`` says what the source may write
    :param values: ``{item: field values}``
    :return: ``{item: record}``, new ones first
    """
    new = [item for item in items if not item.record]
    known = [item for item in items if item.record]
    created = handler.env[model_name].create([values[item] for item in new]) if new else ()
    write_grouped((item.record, changed_values(item.record, handler._owned(item, values[item]))) for item in known)
    return dict(zip(new, created, strict=True)) | {item: item.record for item in known}


def join_names(names, word):
    """Return ``a, b and c`` for texts shown to people; ``word`` is the translated "and"."""
    names = list(names)
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def unique_by_key(keys, records, getters):
    """Return ``{key: record}`` of those ``keys`` that stand for exactly one of ``records``, whatever their case.

    :param getters: functions from a record to a text, the surest first; the first that knows a key decides on it
    """
    found = {}
    for getter in getters:
        by_text = defaultdict(list)
        for record in records:
            if text := (getter(record) or "").strip().casefold():
                by_text[text].append(record)
        for key in keys - found.keys():
            if matches := by_text.get(key.strip().casefold()):
                found[key] = matches
    return {key: matches[0] for key, matches in found.items() if len(matches) == 1}


def linked_keys(items, records):
    """Return ``{(connection id, object type, record id)}``: which of ``records`` the items' connections have linked.

    :param items: items of any connections
    :param records: recordset of one model
    """
    if not items or not records:
        return set()
    bindings = records.env["psa.binding"].search_fetch(
        [
            ("connection_id", "in", list({item.connection.id for item in items})),
            ("object_type", "in", list({item.object_type for item in items})),
            ("res_model", "=", records._name),
            ("res_id", "in", records.ids),
        ],
        ["connection_id", "object_type", "res_id"],
    )
    return {(binding.connection_id.id, binding.object_type, binding.res_id) for binding in bindings}


def link_key(item, record):
    """Return ``record``'s key in the answer of :func:`linked_keys`."""
    return (item.connection.id, item.object_type, record.id)


def currencies_by_code(env, codes):
    """Return ``{ISO code: res.currency}`` of ``codes``, inactive ones included."""
    codes = set(codes) - {None, False, ""}
    if not codes:
        return {}
    currencies = env["res.currency"].with_context(active_test=False).search_fetch(
        [("name", "in", list(codes))], ["name", "active"]
    )
    return {currency.name: currency for currency in currencies}
