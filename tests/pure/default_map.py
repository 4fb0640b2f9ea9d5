"""The default field maps, applied plainly: a path per canonical field, references wrapped, nothing else."""

import jmespath

from connectors.canonical import REFERENCE, TYPES, Reference, coerce


def _rule(rule):
    return {"path": rule} if isinstance(rule, str) else rule


def _value(rule, raw, spec):
    value = jmespath.search(rule["path"], raw)
    if value is not None and spec.kind == REFERENCE:
        return Reference(rule["refers_to"], value)
    return value.lower() if value is not None and rule.get("transform") == "lower" else value


def to_canonical(owner, stream, raw):
    """Return the canonical record of a part's ``raw``."""
    fields, values = TYPES[stream.canonical_type].fields, {}
    rules = {name: _rule(rule) for name, rule in owner.default_mappings()[stream.code].items()}
    for name, rule in rules.items():
        if "." not in name:
            values[name] = _value(rule, raw, fields[name])
    for name in [name for name in values if any(line.startswith(f"{name}.") for line in rules)]:
        values[name] = [{line.partition(".")[2]: _value(rule, entry, fields[name].lines[line.partition(".")[2]])
                         for line, rule in rules.items() if line.startswith(f"{name}.")}
                        for entry in values[name] or []]
    return coerce(stream.canonical_type, values)
