import re
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import jmespath
import pytest

import connectors
from connectors import canonical
from connectors.canonical import CanonicalError, Reference, coerce, references

TIME = {
    "project": Reference("P", "p1"), "resource": Reference("R", "r1"), "work_date": "2026-06-29", "hours": "7.50",
    "billable": True, "approved": "false",
}


def test_values_become_pythons_own():
    record = coerce("time", {**TIME, "currency": " eur ", "description": " a\x00b ", "source_amount": 0.1})
    assert record["work_date"] == date(2026, 6, 29)
    assert record["hours"] == Decimal("7.50")
    assert record["approved"] is False
    assert record["currency"] == "EUR"
    assert record["description"] == "ab"
    assert record["source_amount"] == Decimal("0.1")
    assert record["milestone"] is None
    assert references("time", record) == {"project": Reference("P", "p1"), "resource": Reference("R", "r1")}


@pytest.mark.parametrize(("field", "value"), [
    ("hours", "eight"), ("hours", True), ("hours", "NaN"), ("hours", "Infinity"), ("work_date", "29/06/2026"),
    ("work_date", datetime(2026, 6, 29, tzinfo=timezone.utc)), ("billable", "yes"), ("billable", 1),
    ("currency", "EURO"), ("currency", "E1R"), ("description", {"a": 1}), ("project", "p1"), ("hours", None),
    ("project", None), ("hours", ""),
])
def test_what_a_field_cannot_be_is_refused_by_name(field, value):
    with pytest.raises(CanonicalError) as caught:
        coerce("time", {**TIME, field: value})
    assert caught.value.field_name == field


def test_unknown_fields_are_refused():
    with pytest.raises(CanonicalError, match="colour"):
        coerce("time", {**TIME, "colour": "red"})


def test_lines_are_named_with_their_field():
    deal = {"name": "D", "won": True, "party": Reference("A", "a"), "closed_on": "2026-01-01", "currency": "EUR",
            "lines": [{"external_id": "l", "name": "n", "quantity": "1", "unit_price": "x"}]}
    with pytest.raises(CanonicalError, match=re.escape("lines.unit_price")):
        coerce("deal", deal)


def test_instants_need_a_zone():
    assert canonical._coerce_instant("2026-01-01T10:00:00+02:00").isoformat() == "2026-01-01T08:00:00+00:00"
    assert canonical._COERCIONS[canonical.INSTANT][0] is canonical._coerce_instant
    with pytest.raises(ValueError):  # noqa: PT011 - the class is the whole message here
        canonical._coerce_instant("2026-01-01T10:00:00")


@pytest.mark.parametrize("code", sorted(connectors.all_codes()))
def test_declarations_fit_the_vocabulary(code):
    """Streams, write-backs and default maps speak of types, fields and objects that exist."""
    item = connectors.get(code)
    family = [item, *([connectors.get(item.host)] if getattr(item, "host", "") else connectors.packages(code).values())]
    objects = {name: stream.canonical_type for owner in family for stream in owner.streams
               for name in (stream.object_type, *stream.parts)} | {
        name: type_name for owner in family for name, type_name in getattr(owner, "natural_keys", {}).items()}
    mappings = item.default_mappings()
    assert set(mappings) == {stream.code for stream in item.streams}
    for stream in item.streams:
        fields = canonical.TYPES[stream.canonical_type].fields
        assert stream.sequence == canonical.TYPES[stream.canonical_type].sequence
        given = set(mappings[stream.code])
        for name, rule in mappings[stream.code].items():
            rule = {"path": rule} if isinstance(rule, str) else rule
            assert set(rule) <= {"path", "refers_to", "transform", "constant", "owner", "required"}
            assert rule.get("path") or "constant" in rule, name
            jmespath.compile(rule.get("path") or "none")
            owner, _dot, line_field = name.partition(".")
            spec = fields[owner].lines[line_field] if line_field else fields[owner]
            assert (spec.kind == canonical.REFERENCE) == ("refers_to" in rule), name
            if spec.kind == canonical.REFERENCE:
                assert objects[rule["refers_to"]] == spec.refers, name
        assert {name for name, spec in fields.items() if spec.required} <= given
    for outbound in item.outbound:
        assert outbound.canonical_type in canonical.OUTBOUND_TYPES
        assert outbound.creates or set(outbound.object_types) <= set(objects)
    domains = {"company", "payment_term", "tax_profile", "project_template", "billing_method", "role",
               "expense_category", "product"}
    assert set(item.default_value_maps()) <= domains


def test_codes_are_unique_over_a_connector_and_its_packages():
    for code, item in connectors.connectors().items():
        owners = [item, *connectors.packages(code).values()]
        for kind in ("streams", "outbound"):
            codes = [spec.code for owner in owners for spec in getattr(owner, kind)]
            assert len(codes) == len(set(codes))


def test_no_vendor_is_named_outside_its_folder():
    """The engine, the business rules and the pages know no system by name."""
    root = Path(__file__).resolve().parents[2]
    names = {item.code for item in map(connectors.get, connectors.all_codes())} - {"files"}
    pattern = re.compile("|".join(sorted(names)), re.IGNORECASE)
    for folder in ("models", "controllers", "wizards", "views", "data", "security"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".py", ".xml", ".csv", ".sql"):
                assert not pattern.search(path.read_text(encoding="utf-8")), path
