"""Reading and writing single records: types, lengths, references, uniqueness, then the package's rules."""

import re
from datetime import date

from . import ids, rules
from .errors import ApiError
from .schema import NUMBER_TYPES
from .soql_parser import instant_text

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)")


def parser_error(kind, value):
    return ApiError(400, "JSON_PARSER_ERROR", f"Cannot deserialize instance of {kind} from {value!r}")


def _missing(names):
    return ApiError(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(names)}]", names)


class Records:
    """Writes as the integration user.

    :param store: :class:`Store`
    """

    def __init__(self, store):
        self.store = store

    # === READING === #

    def find(self, table, id_):
        """Return the row of an id that is there and not deleted.

        :raise ApiError: MALFORMED_ID, NOT_FOUND, ENTITY_IS_DELETED
        """
        id18 = ids.normalise(id_)
        if id18 is None:
            raise ApiError(400, "MALFORMED_ID", f"{table.spec.name} ID: id value of incorrect type: {id_}", ["Id"])
        row = table.rows.get(id18)
        if row is None:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        if row.get("IsDeleted"):
            raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted")
        return row

    def find_external(self, table, field_name, value):
        """Return the rows (several, if the field is not unique) with this external id.

        :raise ApiError: NOT_FOUND when the field is no external id
        """
        spec = self.store.visible_field(table, field_name)
        if spec is None or not (spec.external or spec.name == "Id"):
            raise ApiError(404, "NOT_FOUND",
                           f"Provided external ID field does not exist or is not accessible: {field_name}")
        if spec.name == "Id":
            return spec, [self.find(table, value)]
        return spec, [row for row in table.by_field(spec.name).get(value.lower(), ()) if not row.get("IsDeleted")]

    def as_json(self, table, row, root, fields=None):
        """Return the record with all visible fields, or the ``fields`` asked for."""
        specs = []
        for name in fields or [spec.name for spec in table.spec.fields.values()]:
            spec = self.store.visible_field(table, name)
            if spec is None and fields:
                raise ApiError(400, "INVALID_FIELD", f"No such column '{name}' on entity '{table.spec.name}'")
            if spec is not None:
                specs.append(spec)
        return {"attributes": {"type": table.spec.name, "url": f"{root}/sobjects/{table.spec.name}/{row['Id']}"},
                **{spec.name: row.get(spec.name, spec.default) for spec in specs}}

    # === WRITING === #

    def create(self, table, values):
        """Add a record and return its row."""
        clean = self._clean(table, values, None)
        missing = [spec.name for spec in table.spec.fields.values() if spec.required and clean.get(spec.name) is None]
        if missing:
            raise _missing(missing)
        after = {key: value for key, value in _derive(self.store, table, clean, {}).items() if value is not None}
        rules.check(self.store, table.spec.name, None, after)
        return self.store.insert(table, after)

    def update(self, table, id_, values):
        """Change the given fields of a record and return its new row."""
        before = self.find(table, id_)
        clean = self._clean(table, values, before)
        emptied = [name for name, value in clean.items() if value is None and table.spec.field(name).required]
        if emptied:
            raise _missing(emptied)
        clean = _derive(self.store, table, clean, before)
        after = {key: value for key, value in {**before, **clean}.items() if value is not None}
        rules.check(self.store, table.spec.name, before, after)
        return self.store.update(table, before["Id"], clean)

    def upsert(self, table, field_name, value, values, update_only=False):
        """Create or update by external id and return ``(row, created)``.

        :raise ApiError: NOT_FOUND, DUPLICATE_EXTERNAL_ID when several records match
        """
        spec, rows = self.find_external(table, field_name, value)
        if any(name.lower() in ("id", spec.name.lower()) for name in values):
            raise ApiError(400, "INVALID_FIELD", f"The {spec.name} field should not be specified in the sobject data.",
                           [spec.name])
        if len(rows) > 1:
            raise ApiError(400, "DUPLICATE_EXTERNAL_ID", "more than one record found for external id field",
                           [spec.name])
        if rows:
            return self.update(table, rows[0]["Id"], values), False
        if update_only:
            raise ApiError(404, "NOT_FOUND", "The requested resource does not exist")
        return self.create(table, {**values, spec.name: value}), True

    def delete(self, table, id_):
        """Move a record to the recycle bin, the splits of a timecard header along with it."""
        row = self.find(table, id_)
        rules.check_locked(self.store, table.spec.name, row)
        self.store.delete(table, row["Id"])
        if table.spec.name == rules.HEADER:
            splits = self.store.tables[rules.SPLIT.lower()]
            for split in splits.by_field("pse__Timecard_Header__c").get(row["Id"], []):
                if not split.get("IsDeleted"):
                    self.store.delete(splits, split["Id"])

    # === VALUES === #

    def _clean(self, table, values, before):
        """Return the values as rows hold them, or refuse the first one that does not fit."""
        clean = {}
        for name, value in values.items():
            if name == "attributes" or (before is not None and name.lower() == "id"):
                continue
            if isinstance(value, dict):
                spec, value = self._by_parent_key(table, name, value)
            else:
                spec = self.store.visible_field(table, name)
            if spec is None:
                raise ApiError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {table.spec.name}")
            if not (spec.updateable if before is not None else spec.createable):
                verb = "update" if before is not None else "create"
                raise ApiError(400, "INVALID_FIELD_FOR_INSERT_UPDATE",
                               f"Unable to {verb} fields: {spec.name}. Please check the security settings of this "
                               "field and verify that it is read/write for your profile or permission set.",
                               [spec.name])
            clean[spec.name] = self._value(table, spec, value)
            if spec.unique and clean[spec.name] is not None:
                self._check_unique(table, spec, clean[spec.name], before)
        return clean

    def _by_parent_key(self, table, relationship, key):
        """Return the lookup field and parent id for ``{"Parent__r": {"External__c": value}}``."""
        link = table.spec.parents.get(relationship.lower())
        pairs = [(name, value) for name, value in key.items() if name != "attributes"]
        if link is None or len(pairs) != 1:
            raise ApiError(400, "INVALID_FIELD", f"No such relation '{relationship}' on {table.spec.name}")
        parent = self.store.table(link.references[0])
        _spec, rows = self.find_external(parent, pairs[0][0], str(pairs[0][1]))
        if len(rows) != 1:
            raise ApiError(400, "INVALID_FIELD", f"Foreign key external ID: {pairs[0][1]} not found for field "
                           f"{pairs[0][0]} in entity {parent.spec.name}")
        return link, rows[0]["Id"]

    def _check_unique(self, table, spec, value, before):
        for row in table.by_field(spec.name).get(value.lower(), ()):
            if not row.get("IsDeleted") and (before is None or row["Id"] != before["Id"]):
                raise ApiError(400, "DUPLICATE_VALUE", f"duplicate value found: {spec.name} duplicates value on record "
                               f"with id: {row['Id']}", [spec.name])

    def _value(self, table, spec, value):
        if spec.type == "boolean":
            if value is not None and not isinstance(value, bool):
                raise parser_error("boolean", value)
            return bool(value)
        if value is None or value == "":
            return None
        if spec.type in NUMBER_TYPES:
            return _number(spec, value)
        if not isinstance(value, str):
            raise parser_error(spec.type, value)
        if spec.type == "date":
            try:
                return date.fromisoformat(value).isoformat()
            except ValueError:
                raise parser_error("date", value) from None
        if spec.type == "datetime":
            if not _INSTANT.fullmatch(value):
                raise parser_error("datetime", value)
            return instant_text(value)
        if spec.type == "reference":
            return self._reference(spec, value)
        if spec.length and len(value) > spec.length:
            raise ApiError(400, "STRING_TOO_LONG", f"{spec.name}: data value too large: {value[:40]} (max length="
                           f"{spec.length})", [spec.name])
        if spec.type == "email" and not _EMAIL.fullmatch(value):
            raise ApiError(400, "INVALID_EMAIL_ADDRESS", f"{spec.name}: invalid email address: {value}", [spec.name])
        if spec.restricted and spec.values and value not in spec.values:
            raise ApiError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                           f"{spec.name}: bad value for restricted picklist field: {value}", [spec.name])
        return value

    def _reference(self, spec, value):
        id18 = ids.normalise(value)
        if id18 is None:
            raise ApiError(400, "MALFORMED_ID", f"{spec.name}: id value of incorrect type: {value}", [spec.name])
        for target in spec.references:
            row = self.store.tables[target.lower()].rows.get(id18)
            if row is not None and not row.get("IsDeleted"):
                return id18
        raise ApiError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [spec.name])


def _number(spec, value):
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise parser_error("double", value)
    try:
        number = float(value)
    except ValueError:
        raise parser_error("double", value) from None
    if abs(number) >= 10 ** (18 - spec.scale):
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", f"{spec.name}: value outside of valid range", [spec.name])
    return int(number) if spec.type == "int" else round(number, spec.scale) if spec.scale else number


def _derive(store, table, clean, before):
    """Return ``clean`` with what the platform works out itself."""
    name = table.spec.name
    whole = {**before, **clean}
    if name in ("Contact", "User") and ("FirstName" in clean or "LastName" in clean):
        clean = {**clean, "Name": " ".join(part for part in (whole.get("FirstName"), whole.get("LastName")) if part)}
    if name == "Opportunity":
        if before.get("HasOpportunityLineItem"):
            # the amount is the sum of the lines; writing it is silently ignored
            clean = {key: value for key, value in clean.items() if key != "Amount"}
        if "StageName" in clean:
            stages = store.tables["opportunitystage"].by_field("MasterLabel").get(clean["StageName"].lower(), [{}])
            clean = {**clean, "IsWon": stages[0].get("IsWon", False), "IsClosed": stages[0].get("IsClosed", False)}
    return clean
