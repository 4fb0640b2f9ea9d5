import json

from odoo import models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..sync.psa_value_map import CODES, RECORD_DOMAINS

FORMAT = "psa_hub.configuration/1"
STREAM_FIELDS = (
    "active", "mode", "near_real_time", "interval_minutes", "overlap_seconds", "page_size", "page_limit", "ownership",
    "freshness_minutes", "backfill_page_size")
RULE_FIELDS = ("path", "constant", "transform", "required", "refers_to", "owner", "personal")
_DEFAULTS = {"path": "", "constant": "", "transform": "none", "required": False, "refers_to": "", "owner": "source"}


class PsaConnection(models.Model):
    """The configuration of a connection as a file: streams, field maps in force, value maps. Never a secret.

    ``{"format", "system", "streams": {"in/account": {setting: value}}, "maps": {stream: {field: rule}},
    "values": [{"kind", "value", "scope", "company", "target", "code"}]}``; records are named by their external ID, else
    by their name, so that the file works in another database.
    """

    _inherit = "psa.connection"

    # === EXPORT === #
    def action_export_configuration(self):
        """Download the configuration as JSON, without credentials, addresses and cursors."""
        self.ensure_one()
        self.check_access("write")
        text = json.dumps(self._configuration(), indent=2, ensure_ascii=False, sort_keys=True)
        attachment = self.env["ir.attachment"].create({
            "name": f"{self.name}.psa-hub.json", "raw": text.encode(), "mimetype": "application/json",
            "res_model": "psa.connection", "res_id": self.id})
        self.env["psa.audit"]._log([{
            "event": "configuration.export", "res_model": self._name, "res_id": self.id,
            "company_id": self.company_id.id}])
        return {"type": "ir.actions.act_url", "url": f"/web/content/{attachment.id}?download=true", "target": "self"}

    def action_import_configuration(self):
        """Open the dialog that shows what a file would change, and takes it over."""
        self.ensure_one()
        self.check_access("write")
        return {
            "type": "ir.actions.act_window", "name": self.env._("Import Configuration"),
            "res_model": "psa.configuration", "views": [(False, "form")], "target": "new",
            "context": {"default_connection_id": self.id},
        }

    def _configuration(self):
        """Return the configuration as JSON-ready values; see the class."""
        self.ensure_one()
        streams = self.with_context(active_test=False).stream_ids
        return {
            "format": FORMAT,
            "system": self.connector_code,
            "streams": {
                f"{stream.direction}/{stream.code}": {name: stream[name] for name in STREAM_FIELDS}
                for stream in streams},
            "maps": {
                stream.code: {line.canonical_field: _rule(line) for line in stream.mapping_id.line_ids}
                for stream in streams if stream.mapping_id},
            "values": [self._value(row) for row in self._value_maps()],
        }

    def _value_maps(self):
        """Return the translations that this connection goes by."""
        return self.env["psa.value.map"].search([
            ("connection_id", "in", (self.id, False)), ("state", "=", "mapped")], order="domain, source_value, id")

    def _value(self, row):
        target = row.target_ref
        return {
            "kind": row.domain, "value": row.source_value,
            "scope": "connection" if row.connection_id else "all",
            "company": row.company_id.name or "",
            "target": (target.get_external_id()[target.id] or target.display_name) if target else "",
            "code": row.target_code or "",
        }

    # === IMPORT === #
    def _read_configuration(self, text):
        """Return the parsed file. :raise UserError: it is no configuration of this system"""
        self.ensure_one()
        try:
            values = json.loads(text)
            if values["format"] != FORMAT:
                raise UserError(self.env._("This file has the format “%s”, which is not known here.", values["format"]))
            system, parts = values["system"], (values["streams"], values["maps"], values["values"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(self.env._("This is not an exported configuration.")) from error
        if system != self.connector_code or not (
                isinstance(parts[0], dict) and isinstance(parts[1], dict) and isinstance(parts[2], list)):
            raise UserError(self.env._(
                "This is the configuration of another system: %s.", system))
        return values

    def _configuration_diff(self, values):
        """Return what a file would change: list of ``[part, what, now, then, problem]`` of texts."""
        self.ensure_one()
        mine, rows = self._configuration(), []
        for key, settings in sorted(values["streams"].items()):
            if key not in mine["streams"]:
                rows.append([self.env._("Stream"), key, "", "", self.env._("This connection has no such stream.")])
                continue
            rows += [[self.env._("Stream"), f"{key}: {name}", _text(mine["streams"][key][name]), _text(value), ""]
                     for name, value in sorted(settings.items())
                     if name in STREAM_FIELDS and value != mine["streams"][key][name]]
        for code, rules in sorted(values["maps"].items()):
            problem = "" if f"in/{code}" in mine["streams"] else self.env._("This connection has no such stream.")
            current = mine["maps"].get(code, {})
            rows += [[self.env._("Field map"), f"{code}: {name}", _text(current.get(name)), _text(rules.get(name)),
                      problem]
                     for name in sorted(current.keys() | rules.keys())
                     if {**_DEFAULTS, **current.get(name, {})} != {**_DEFAULTS, **rules.get(name, {})}
                     or (name in current) != (name in rules)]
        known = {_value_key(value): value for value in mine["values"]}
        for value in values["values"]:
            current = known.get(_value_key(value))
            if current and (current["target"], current["code"]) == (value["target"], value["code"]):
                continue
            _target, problem = self._target(value)
            rows.append([
                self.env._("Value"), f"{value['kind']}: {value['value']}",
                (current["target"] or current["code"]) if current else "", value["target"] or value["code"], problem])
        return rows

    def _target(self, value):
        """Return ``(target values of a value map, problem)``."""
        Company = self.env["res.company"]
        if value["company"] and len(Company.search([("name", "=", value["company"])])) != 1:
            return {}, self.env._("There is no company %s.", value["company"])
        if value["code"]:
            known = value["code"] in CODES.get(value["kind"], ())
            return ({"target_code": value["code"]}, "") if known else ({}, self.env._("Not a known code."))
        if value["kind"] not in RECORD_DOMAINS:
            return {}, self.env._("Not a known kind of value.")
        model = self.env[RECORD_DOMAINS[value["kind"]]]
        record = self.env.ref(value["target"], raise_if_not_found=False) if "." in value["target"] else None
        if record is None or record._name != model._name:
            record = model.search([(model._rec_name, "=", value["target"])])
        if len(record) != 1:
            return {}, self.env._("Not found here, or not only once.")
        return {"target_ref": f"{record._name},{record.id}"}, ""

    def _apply_configuration(self, values):
        """Take over what a file says. Field maps become drafts: they are simulated and approved like any other.

        :return: drafts that were made
        """
        self.ensure_one()
        mine = self._configuration()
        streams = {f"{stream.direction}/{stream.code}": stream
                   for stream in self.with_context(active_test=False).stream_ids}
        for key, settings in values["streams"].items():
            if key in streams:
                changed = {name: value for name, value in settings.items()
                           if name in STREAM_FIELDS and value != mine["streams"][key][name]}
                if changed:
                    streams[key].write(changed)
        drafts = self.env["psa.mapping"].create([
            {"stream_id": streams[f"in/{code}"].id, "line_ids": [
                Command.create({"canonical_field": name, "sequence": sequence, **{
                    part: value for part, value in rule.items() if part in RULE_FIELDS}})
                for sequence, (name, rule) in enumerate(rules.items(), 1)]}
            for code, rules in values["maps"].items()
            if f"in/{code}" in streams and rules != mine["maps"].get(code)])
        self._apply_values(values["values"], {_value_key(value): value for value in mine["values"]})
        self.env["psa.audit"]._log([{
            "event": "configuration.import", "res_model": self._name, "res_id": self.id,
            "company_id": self.company_id.id, "before": mine, "after": values}])
        return drafts

    def _apply_values(self, values, known):
        ValueMap = self.env["psa.value.map"]
        companies = {company.name: company.id for company in self.env["res.company"].search([])}
        present = {(row.domain, row.source_value, row.connection_id.id or False, row.company_id.name or ""): row
                   for row in ValueMap.search([("connection_id", "in", (self.id, False))])}
        new = []
        for value in values:
            current = known.get(_value_key(value))
            target, problem = self._target(value)
            if problem or current and (current["target"], current["code"]) == (value["target"], value["code"]):
                continue
            target = {"target_ref": False, "target_code": False, **target}
            connection_id = self.id if value["scope"] == "connection" else False
            row = present.get((value["kind"], value["value"], connection_id, value["company"]))
            if row:
                row.write(target)
            else:
                new.append({
                    "connection_id": connection_id, "company_id": companies.get(value["company"], False),
                    "domain": value["kind"], "source_value": value["value"], **target})
        ValueMap.create(new)


def _rule(line):
    """Return a line as a rule, without what goes without saying."""
    usual = {**_DEFAULTS, "personal": line._is_personal_by_nature()}
    return {name: line[name] for name in RULE_FIELDS if (line[name] or "") != (usual[name] or "")}


def _value_key(value):
    return value["kind"], value["value"], value["scope"], value["company"]


def _text(value):
    if isinstance(value, dict):
        return ", ".join(f"{name} {part}" if name != "path" else str(part) for name, part in value.items())
    return "" if value is None else str(value)
