"""From a raw record to a canonical one, by data. Plain Python; the models ``psa.mapping`` and its lines feed it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from ...connectors import canonical
from ...connectors.canonical import CanonicalError, Reference
from .path import PathError, compile_path


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one canonical field comes from; see ``psa.mapping.line``."""

    field: str
    path: str = ""
    constant: str = ""
    transform: str = "none"
    required: bool = False
    refers_to: str = ""
    owner: str = "source"
    personal: bool = False


def field_label(name):
    """Return a canonical field's name as people read it: ``lines.unit_price`` -> ``Lines: unit price``."""
    return ": ".join(part.replace("_", " ") for part in name.split(".")).capitalize()


# === TRANSFORMS === #

def _number(value):
    if isinstance(value, bool):
        raise ValueError("is not a number")
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise ValueError("is not a number") from error


def _text(value):
    if not isinstance(value, str):
        raise ValueError("is not a text")
    return value


def _date_of_instant(value):
    """The date as the source wrote it, in the zone that it wrote; never shifted to another zone."""
    try:
        return datetime.fromisoformat(_text(value).replace("Z", "+00:00")).date()
    except ValueError as error:
        raise ValueError("is not a time stamp") from error


def _boolean_not(value):
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return not value


def _join_lines(value):
    if not isinstance(value, list):
        return value
    return "\n".join(str(line) for line in value if line not in (None, ""))


_TRANSFORMS = {
    "strip": lambda value: _text(value).strip(),
    "upper": lambda value: _text(value).strip().upper(),
    "lower": lambda value: _text(value).strip().lower(),
    "date_of_instant": _date_of_instant,
    "negate": lambda value: -_number(value),
    "percent_to_ratio": lambda value: _number(value) / 100,
    "boolean_not": _boolean_not,
    "join_lines": _join_lines,
}


def _texts(value):
    """Return the texts in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {str(value)} if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else set()


# === MAPPER === #

class _Field:
    """One compiled rule."""

    __slots__ = ("name", "label", "rule", "spec", "get", "transform", "lines")

    def __init__(self, rule, spec, name):
        self.name = name
        self.label = rule.field
        self.rule = rule
        self.spec = spec
        self.get = compile_path(rule.path) if rule.path else None
        self.transform = _TRANSFORMS.get(rule.transform)
        self.lines = []

    def found(self, raw):
        """Return what the path finds, None where it cannot be computed."""
        try:
            return self.get(raw) if self.get else None
        except PathError:
            return None

    def personal_texts(self, raw):
        """Return the texts (set) that the path finds; where it cannot be computed all of ``raw``."""
        try:
            return _texts(self.get(raw)) if self.get else set()
        except PathError:
            return _texts(raw)

    def value(self, raw):
        """Return what the rule finds in ``raw``, transformed but not yet coerced. :raise CanonicalError: it cannot"""
        try:
            found = self.get(raw) if self.get else None
        except PathError as error:  # jmespath's own sentence quotes the value
            raise CanonicalError(
                self.label, f"cannot be computed: “{self.rule.path}” does not fit the record") from error
        if found is None or found == "":
            found = self.rule.constant or None
        if found is None:
            if self.rule.required:
                raise CanonicalError(self.label, "is missing at the source")
            return None
        if self.transform:
            try:
                found = self.transform(found)
            except ValueError as error:
                quoted = "the value" if self.rule.personal else f"“{str(found)[:80]}”"
                raise CanonicalError(self.label, f"{quoted} {error}") from error
        kind = self.spec.kind
        if kind == canonical.REFERENCE:
            return self._reference(found)
        if kind == canonical.LINES:
            if not isinstance(found, list):
                raise CanonicalError(self.label, "is not a list of lines")
            return [{line.name: line.value(raw_line) for line in self.lines} for raw_line in found]
        return found

    def _reference(self, found):
        if not isinstance(found, (str, int)) or isinstance(found, bool):
            raise CanonicalError(self.label, "is not a link to another record")
        if not self.rule.refers_to:
            raise CanonicalError(self.label, "is a link, but the field map does not say to what")
        return Reference(self.rule.refers_to, str(found))


class Mapper:
    """A mapping version, compiled.

    :param type_name: key of ``canonical.TYPES``
    :param rules: list of :class:`Rule`
    :raise ValueError: a rule that cannot be: unknown field, not a path; the text is one plain sentence
    """

    def __init__(self, type_name, rules):
        self.type_name = type_name
        specs = canonical.TYPES[type_name].fields
        self.fields = []
        by_name = {}
        for rule in sorted(rules, key=lambda rule: "." in rule.field):
            name, _dot, inner = rule.field.partition(".")
            try:
                if not inner:
                    by_name[name] = _Field(rule, specs[name], name)
                    self.fields.append(by_name[name])
                else:
                    by_name[name].lines.append(_Field(rule, specs[name].lines[inner], inner))
            except KeyError as error:
                raise ValueError(f"{rule.field} is not a field of {canonical.TYPES[type_name].label}.") from error
            except PathError as error:
                raise ValueError(f"{rule.field}: “{rule.path}” is not a path ({error}).") from error
        self.names = frozenset(by_name)
        self.owners = {rule.field: rule.owner for rule in rules if rule.owner != "source"}

    def map(self, raw):
        """Return the canonical record of ``raw``. :raise CanonicalError: at the first field that cannot be"""
        return canonical.coerce(self.type_name, {field.name: field.value(raw) for field in self.fields})

    def personal_values(self, raw):
        """Return the texts (set) that the rules marked personal find in ``raw``, as the source wrote them."""
        found = set()
        for field in self.fields:
            if field.rule.personal:
                found |= field.personal_texts(raw)
            if field.lines and isinstance(lines := field.found(raw), list):
                found |= {text for line in field.lines if line.rule.personal
                          for raw_line in lines for text in line.personal_texts(raw_line)}
        return found

    def trace(self, raw):
        """Return ``(values, trace)`` for the mapping editor; nothing is raised.

        ``values`` is the canonical record, or None when a field has an error. ``trace`` is a list of dicts in the order
        of the rules: ``field``, ``label``, ``path``, ``found`` (raw value), ``value`` (canonical, as JSON), ``error``.
        """
        values, trace, broken = {}, [], False
        for field in self.fields:
            step = {"field": field.label, "label": field_label(field.label), "path": field.rule.path,
                    "found": field.found(raw), "value": None, "error": None}
            try:
                raw_value = field.value(raw)
                coerced = canonical.coerce_fields({field.name: field.spec}, {field.name: raw_value})
                values[field.name] = coerced[field.name]
                step["value"] = plain(coerced[field.name])
            except CanonicalError as error:
                broken = True
                inside = error.field_name != field.label
                step["error"] = f"{field_label(error.field_name)} {error.problem}" if inside else error.problem
            step["found"] = plain(step["found"])
            trace.append(step)
        if not broken:
            try:
                values = canonical.coerce(self.type_name, values)
            except CanonicalError as error:
                broken = True
                trace.append({"field": error.field_name, "label": field_label(error.field_name), "path": "",
                              "found": None, "value": None, "error": error.problem})
        return (None if broken else values), trace


def try_rule(type_name, rule, raw):
    """Apply one rule for the editor; nothing is raised.

    :param raw: what the rule's path is over: the raw record, for a field of a line the raw line
    :return: ``(found, value, problem)``: raw value, canonical value (both JSON-ready), plain sentence or an empty text
    """
    name, _dot, inner = rule.field.partition(".")
    specs = canonical.TYPES[type_name].fields
    spec = specs.get(name)
    if inner:
        spec = spec and spec.lines.get(inner)
    if spec is None:
        return None, None, f"is not a field of {canonical.TYPES[type_name].label}"
    try:
        field = _Field(rule, spec, inner or name)
    except PathError:
        return None, None, "is not a path"
    found = field.found(raw)
    try:
        value = field.value(raw)
        if spec.kind != canonical.LINES:
            value = canonical.coerce_fields({field.name: spec}, {field.name: value})[field.name]
        return plain(found), plain(value), ""
    except CanonicalError as error:
        return plain(found), None, error.problem


# === CANONICAL VALUES AS TEXT === #

def _plain_value(value):
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Reference):
        return {"object_type": value.object_type, "external_id": value.external_id}
    raise TypeError(f"{type(value).__name__} is not a canonical value")


def plain(value):
    """Return ``value`` (canonical or raw) as a JSON-ready one; decimals as texts without trailing zeros."""
    return json.loads(json.dumps(value, default=_plain_value, ensure_ascii=False))


_encoder = json.JSONEncoder(default=_plain_value, sort_keys=True, separators=(",", ":"))


def fingerprint(values):
    """Return a hash of a canonical record: equal records have equal hashes, 1.0 and 1.00 are equal."""
    return hashlib.sha256(_encoder.encode(values).encode()).hexdigest()
