"""The properties of each object type, groups of them, and what values they take."""

import json
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation

from .errors import CONFLICT, VALIDATION, ApiError, invalid
from .objects import KINDS, PIPELINES, READ_ONLY, STAGES

_FIELD_TYPES = {
    "string": ("text", "textarea", "html", "file", "phonenumber", "calculation_equation"),
    "number": ("number", "calculation_equation"), "bool": ("booleancheckbox", "calculation_equation"),
    "date": ("date",), "datetime": ("date",), "phone_number": ("phonenumber",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox", "calculation_equation"),
}
_REQUIRED = ("name", "label", "groupName", "type", "fieldType")
_OPTIONAL = ("description", "options", "displayOrder", "hasUniqueValue", "hidden", "formField", "externalOptions",
             "calculationFormula", "referencedObjectType", "dataSensitivity", "currencyPropertyName",
             "numberDisplayHint", "showCurrencySymbol", "textDisplayHint")
_CHANGEABLE = ("label", "groupName", "type", "fieldType", *(name for name in _OPTIONAL if name != "hasUniqueValue"))
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MAX_UNIQUE = 10
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_STAMP = "2026-01-05T08:00:00.000Z"


class _Refused(Exception):
    """A value that its property does not take; the argument is HubSpot's code."""


def millis(moment):
    """Return an aware datetime as whole epoch milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def instant(text):
    """Return the epoch milliseconds of a date-time value: digits, or ISO with zone, or a day.

    :raise ValueError: none of these
    """
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    if moment.tzinfo is None:
        if len(text) > 10:
            raise ValueError("no time zone")
        moment = moment.replace(tzinfo=timezone.utc)
    return millis(moment)


def iso(milliseconds):
    moment = datetime.fromtimestamp(milliseconds / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _number(text):
    try:
        if Decimal(text).is_finite():
            return text
    except InvalidOperation:
        pass
    raise _Refused("INVALID_DOUBLE")


def _bool(text):
    if text not in ("true", "false"):
        raise _Refused("INVALID_OPTION")
    return text


def _moment(text):
    try:
        return iso(instant(text))
    except (ValueError, OverflowError) as error:
        raise _Refused("INVALID_DATE") from error


def _day(text):
    try:
        if re.fullmatch(r"\d+", text):
            if int(text) % 86_400_000:
                raise ValueError("not midnight UTC")
            return iso(int(text))[:10]
        return date.fromisoformat(text).isoformat()
    except (ValueError, OverflowError) as error:
        raise _Refused("INVALID_DATE") from error


_READERS = {"number": _number, "bool": _bool, "datetime": _moment, "date": _day}


class Definitions:
    """What the account knows of properties.

    :param owners: ids that ``hubspot_owner_id`` may hold
    :ivar properties: ``{kind: {name: body as the API answers it}}``
    """

    def __init__(self, owners):
        self.owners = owners
        self.groups = {kind: {} for kind in KINDS}
        self.properties = {kind: {} for kind in KINDS}
        for kind in KINDS.values():
            group = f"{kind.single}information"
            self.add_group(kind.name, {"name": group, "label": f"{kind.single} information".capitalize()})
            for name, types in kind.properties:
                self._define(kind.name, name, types, group, own=False)
        self.properties["contacts"]["email"]["hasUniqueValue"] = True

    def _define(self, kind, name, types, group, own):
        self.properties[kind][name] = {
            "name": name, "label": name.replace("_", " ").capitalize(), "groupName": group, "type": types[0],
            "fieldType": types[1], "description": "", "options": [], "displayOrder": -1, "hasUniqueValue": False,
            "hidden": False, "formField": own, "calculated": False, "externalOptions": False,
            "hubspotDefined": not own, "archived": False, "createdAt": _STAMP, "updatedAt": _STAMP,
            "modificationMetadata": {"archivable": own, "readOnlyDefinition": not own,
                                     "readOnlyValue": name in READ_ONLY}}
        return self.properties[kind][name]

    def define_all(self, kind, group, properties):
        """Define the firm's own ``(name, types)`` in a group, which is made when missing."""
        if group not in self.groups[kind]:
            self.add_group(kind, {"name": group, "label": "PSA Hub"})
        for name, types in properties:
            self._define(kind, name, types, group, own=True)

    def unique(self, kind):
        return [name for name, values in self.properties[kind].items() if values["hasUniqueValue"]]

    # === DEFINING === #

    def add_group(self, kind, values):
        """Answer the creation of a property group."""
        known_fields(values, ("name", "label"), ("displayOrder",))
        if values["name"] in self.groups[kind]:
            raise ApiError(409, CONFLICT, f"A property group named '{values['name']}' already exists")
        if not _NAME.fullmatch(values["name"]):
            raise invalid(f"Invalid group name: {values['name']}", "INVALID_NAME")
        self.groups[kind][values["name"]] = {"displayOrder": -1, "archived": False, **values}
        return self.groups[kind][values["name"]]

    def add_property(self, kind, values):
        """Answer the creation of a property."""
        known_fields(values, _REQUIRED, _OPTIONAL)
        name, unique = values["name"], values.get("hasUniqueValue", False)
        if name in self.properties[kind]:
            raise ApiError(409, CONFLICT, f"A property named '{name}' already exists")
        if not _NAME.fullmatch(name) or name.startswith("hs_"):
            raise invalid(f"Invalid property name: {name}", "INVALID_NAME")
        self._check_definition(kind, values)
        if unique and values["type"] not in ("string", "number"):
            raise invalid("Only text and numbers can have unique values", "INVALID_UNIQUE_TYPE")
        if unique and len(self.unique(kind)) >= _MAX_UNIQUE:
            raise invalid(f"An object can have at most {_MAX_UNIQUE} unique properties", "UNIQUE_LIMIT")
        definition = self._define(kind, name, (values["type"], values["fieldType"]), values["groupName"], own=True)
        definition.update(values)
        return definition

    def change_property(self, kind, name, values):
        definition = self.definition(kind, name)
        known_fields(values, (), _CHANGEABLE)
        if definition["hubspotDefined"]:
            raise invalid(f"Property {name} is defined by HubSpot", "READ_ONLY_DEFINITION")
        changed = {**definition, **values}
        self._check_definition(kind, changed)
        definition.update(changed)
        return definition

    def definition(self, kind, name):
        definition = self.properties[kind].get(name)
        if definition is None:
            raise ApiError(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")
        return definition

    def _check_definition(self, kind, values):
        if values["groupName"] not in self.groups[kind]:
            raise invalid(f"Property group '{values['groupName']}' does not exist", "GROUP_DOESNT_EXIST")
        allowed = _FIELD_TYPES.get(values["type"])
        if allowed is None:
            raise invalid(f"Unknown type: {values['type']}", "INVALID_TYPE")
        if values["fieldType"] not in allowed:
            raise invalid(f"{values['type']} cannot be shown as {values['fieldType']}", "INVALID_FIELD_TYPE")
        options = values.get("options", [])
        for option in options:
            known_fields(option, ("label", "value"), ("hidden", "displayOrder", "description"))
        if values["type"] == "enumeration" and not options:
            raise invalid("An enumeration needs options", "MISSING_OPTIONS")
        if len({option["value"] for option in options}) < len(options):
            raise invalid("Two options have the same value", "DUPLICATE_OPTION")

    # === VALUES === #

    def read_values(self, kind, values, current=None):
        """Return ``values`` of a write as they are stored: text, or None for what is cleared.

        :param current: the record's values so far, for what depends on another property
        :raise ApiError: one or more are refused; all are named
        """
        if not isinstance(values, dict):
            raise invalid("Invalid input JSON: properties must be an object")
        stored, refused = {}, []
        for name, value in values.items():
            try:
                stored[name] = self._read(kind, name, value)
            except _Refused as error:
                refused.append((name, str(error)))
        after = {**(current or {}), **stored}
        if not refused and kind == "deals" and ("dealstage" in stored or "pipeline" in stored):
            pipeline = STAGES.get(after.get("dealstage"), ("",))[0]
            if pipeline != after.setdefault("pipeline", pipeline):
                refused.append(("dealstage", "INVALID_OPTION"))
        if refused:
            raise _values_refused(refused)
        return stored

    def _read(self, kind, name, value):
        definition = self.properties[kind].get(name)
        if definition is None:
            raise _Refused("PROPERTY_DOESNT_EXIST")
        if name in READ_ONLY:
            raise _Refused("READ_ONLY_VALUE")
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise invalid(f"Invalid input JSON: the value of {name} must be text")
        if definition["type"] == "enumeration":
            return self._option(name, definition, value)
        return _READERS.get(definition["type"], str)(value)

    def _option(self, name, definition, value):
        if name == "hubspot_owner_id":
            allowed = self.owners
        elif name in ("dealstage", "pipeline"):
            allowed = STAGES if name == "dealstage" else PIPELINES
        elif name == "deal_currency_code":
            allowed = ("EUR", "USD", "GBP", "CHF")
        else:
            allowed = {option["value"] for option in definition["options"]}
        chosen = value.split(";") if definition["fieldType"] == "checkbox" else [value]
        if not all(item in allowed for item in chosen):
            raise _Refused("INVALID_OPTION")
        return value


def known_fields(values, required, optional):
    """Refuse a body with fields missing or unknown."""
    if not isinstance(values, dict):
        raise invalid("Invalid input JSON: an object is expected")
    missing = [name for name in required if values.get(name) in (None, "")]
    if missing:
        raise invalid(f"Some required fields were not set: {missing}", "REQUIRED_FIELD")
    unknown = [name for name in values if name not in required and name not in optional]
    if unknown:
        raise invalid(f"Invalid input JSON: unrecognized field {unknown[0]}", "UNRECOGNIZED_FIELD")



def _values_refused(refused):
    texts = {"PROPERTY_DOESNT_EXIST": 'Property "{}" does not exist', "READ_ONLY_VALUE": '"{}" is a read only property'}
    rows = [{"isValid": False, "message": texts.get(code, "The value of {} is not valid").format(name), "error": code,
             "name": name} for name, code in refused]
    return ApiError(400, VALIDATION, "Property values were not valid: " + json.dumps(rows), [
        {"message": row["message"], "code": row["error"], "context": {"propertyName": [row["name"]]}} for row in rows])
