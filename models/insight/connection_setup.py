from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...connectors import canonical
from ..sync.psa_value_map import DOMAINS

STEPS = [
    ("system", "System"),
    ("login", "Connect"),
    ("test", "Test"),
    ("streams", "Streams"),
    ("map", "Map"),
    ("shadow", "Shadow Mode"),
    ("live", "Go Live"),
]


class PsaConnection(models.Model):
    """The set-up assistant: a page that leads from nothing to a live connection, and what is left to do.

    It keeps nothing of its own but the step that is open and that the streams were looked at: whether a step is done is
    read from the connection itself, so it can be left and taken up at any time, by anyone.
    """

    _inherit = "psa.connection"

    setup_step = fields.Selection(
        STEPS, "Step", copy=False, help="Where the set-up assistant goes on; empty: set up without it.")
    streams_chosen = fields.Boolean(copy=False, help="Somebody has said which streams are read and written.")
    setup_checklist = fields.Json("What Is Left", compute="_compute_setup_checklist", compute_sudo=True)
    setup_left = fields.Integer("Steps Left", compute="_compute_setup_checklist", compute_sudo=True)
    value_map_ids = fields.One2many("psa.value.map", "connection_id", "Values")
    empty_kinds = fields.Char(
        "Nothing Mapped Yet", compute="_compute_empty_kinds", compute_sudo=True,
        help="Kinds of values that the streams bring and that mean nothing in Odoo yet.")

    # === COMPUTE === #
    def _compute_empty_kinds(self):
        """Of the kinds that the field maps in force bring, those without any value that means something."""
        labels = dict(self.env["psa.value.map"]._fields["domain"]._description_selection(self.env))
        wanted = self._mapped_kinds()
        known = {}
        for connection, domain in self.env["psa.value.map"]._read_group(
            [("state", "=", "mapped"), ("connection_id", "in", [False, *self.ids])], ["connection_id", "domain"],
        ):
            known.setdefault(connection.id, set()).add(domain)
        for connection in self:
            present = known.get(connection.id, set()) | known.get(False, set())
            empty = wanted.get(connection.id, set()) - present
            connection.empty_kinds = ", ".join(labels[kind] for kind, _label in DOMAINS if kind in empty) or False

    def _mapped_kinds(self):
        """Return ``{connection id: {kind of value}}`` that the field maps in force of active streams bring."""
        kinds = {}
        lines = self.env["psa.mapping.line"].search_fetch(
            [("mapping_id.connection_id", "in", self.ids), ("mapping_id.state", "=", "active"),
             ("mapping_id.stream_id.active", "=", True)], ["canonical_field", "mapping_id"])
        for line in lines:
            name, _dot, inner = line.canonical_field.partition(".")
            spec = canonical.TYPES[line.mapping_id.canonical_type].fields.get(name)
            spec = spec.lines.get(inner) if spec and inner else spec
            if spec and spec.kind == canonical.CODE:
                kinds.setdefault(line.mapping_id.connection_id.id, set()).add(spec.domain)
        return kinds

    @api.depends("setup_step", "streams_chosen", "is_shadow", "state", "checked_at", "check_result", "breaker_reason",
                 "setting_ids.value", "auth_method", "stream_ids.active", "stream_ids.blocked_reason")
    def _compute_setup_checklist(self):
        saved = self.filtered("id")
        missing, unknown, arrived = saved._missing_login(), saved._unknown_values(), saved._with_data()
        labels = dict(self._fields["setup_step"]._description_selection(self.env))
        for connection in self:
            facts = {
                "system": (bool(connection.id), ""),
                "login": connection._login_fact(missing.get(connection.id, [])),
                "test": connection._test_fact(),
                "streams": connection._streams_fact(),
                "map": connection._map_fact(unknown.get(connection.id, 0)),
                "shadow": connection._shadow_fact(connection.id in arrived),
                "live": (bool(connection.id) and not connection.is_shadow and connection.state == "connected", ""),
            }
            connection.setup_checklist = [
                {"code": code, "label": labels[code], "done": done, "text": text}
                for code, (done, text) in facts.items()]
            connection.setup_left = sum(not done for done, _text in facts.values())

    # === FACTS: (done, what is to do or how it stands) === #
    def _missing_login(self):
        """Return ``{connection id: [names of what has to be filled in]}``, for consents also the consent itself."""
        missing = {}
        Credential = self.env["psa.credential"].sudo()
        lines = Credential.search([("connection_id", "in", self.ids), ("is_webhook_secret", "=", False)])
        for line in lines:
            if line.required and not line.is_set:
                missing.setdefault(line.connection_id.id, []).append(line.name)
        for line in self.setting_ids.filtered(lambda line: line.required and not line.value):
            missing.setdefault(line.connection_id.id, []).append(line.name)
        tokens = self.env["psa.token"].sudo().search(
            [("connection_id", "in", self.ids), ("value_encrypted", "!=", False)]).connection_id
        renewable = lines.filtered(lambda line: line.code == "refresh_token" and line.is_set).connection_id
        for connection in self.filtered("is_interactive") - tokens - renewable:
            missing.setdefault(connection.id, []).append(self.env._("consent in the browser"))
        return missing

    def _unknown_values(self):
        return {connection.id: count for connection, count in self.env["psa.value.map"]._read_group(
            [("connection_id", "in", self.ids), ("state", "=", "unknown")], ["connection_id"], ["__count"])}

    def _with_data(self):
        """Return the ids of the connections that have brought a record into Odoo."""
        if not self.ids:
            return set()
        self.env["psa.binding"].flush_model(["connection_id", "res_id"])
        return {connection_id for (connection_id,) in self.env.execute_query(SQL(
            """
            SELECT wanted.id FROM unnest(%s::int[]) AS wanted(id)
             WHERE EXISTS (SELECT FROM psa_binding WHERE connection_id = wanted.id AND res_id IS NOT NULL)
            """, self.ids))}

    def _login_fact(self, missing):
        if not self.id:
            return False, ""
        if missing:
            return False, self.env._("Missing: %s.", ", ".join(missing))
        return True, ""

    def _test_fact(self):
        if blocked := self.stream_ids.filtered("blocked_reason"):
            return False, self.env._("Rights are missing; these rest: %s.", ", ".join(blocked.mapped("name")))
        if self.state == "connected":
            return True, ""
        failed = [line["message"] for line in self.check_result or [] if not line["ok"]]
        return False, failed[0] if failed else self.env._("Not tested yet.")

    def _streams_fact(self):
        done = bool(self.id) and (self.streams_chosen or (not self.is_shadow and self.state == "connected"))
        return done, "" if not self.id else self.env._(
            "%(active)s of %(all)s switched on.", active=len(self.stream_ids.filtered("active")),
            all=len(self.with_context(active_test=False).stream_ids))

    def _map_fact(self, unknown):
        if unknown:
            return False, self.env._("Values that mean nothing in Odoo yet: %s.", unknown)
        if self.empty_kinds:
            return bool(self.id), self.env._("Nothing said yet about: %s.", self.empty_kinds)
        return bool(self.id), ""

    def _shadow_fact(self, arrived):
        if not self.id:
            return False, ""
        if not arrived:
            return False, self.env._("No record has come into Odoo yet.")
        if self.is_shadow:
            return True, self.env._("Compare; %s write-backs and payments wait.", self.shadow_count)
        return True, ""

    # === ACTIONS === #
    def action_setup(self):
        """Go on with setting up this connection: at its open step, or at the first one that is left."""
        self.ensure_one()
        self.check_access("write")
        if not self.setup_step:
            self.setup_step = next((item["code"] for item in self.setup_checklist if not item["done"]), "live")
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_connection_setup")
        return {**action, "res_id": self.id, "context": {}}

    def action_setup_next(self):
        """Leave this step for the next one, when what the others build on is there."""
        self.ensure_one()
        self.check_access("write")
        facts = {item["code"]: item for item in self.setup_checklist}
        if self.setup_step == "streams":
            self.streams_chosen = True
        elif self.setup_step in ("login", "test") and not facts[self.setup_step]["done"] and not (
                self.setup_step == "test" and self.state == "connected"):
            raise UserError(self.env._(
                "%(step)s is not done yet. %(left)s", step=facts[self.setup_step]["label"],
                left=facts[self.setup_step]["text"]))
        codes = [code for code, _label in STEPS]
        self.setup_step = codes[min(codes.index(self.setup_step or "system") + 1, len(codes) - 1)]

    def action_setup_back(self):
        """Return to the step before."""
        self.ensure_one()
        self.check_access("write")
        codes = [code for code, _label in STEPS]
        self.setup_step = codes[max(codes.index(self.setup_step or "system") - 1, 0)]

    def _went_live(self):
        """The assistant has done its work."""
        result = super()._went_live()
        self.setup_step = False
        return result

    def _consent_page(self):
        """Return where a person goes on after a consent: to the assistant while it is at work."""
        return f"/odoo/psa-setup/{self.id}" if self.setup_step else f"/odoo/psa.connection/{self.id}"


class PsaStream(models.Model):
    _inherit = "psa.stream"

    @api.model
    def _callable(self, where):
        """While the assistant is at work, nothing is read before somebody has chosen the streams."""
        return super()._callable(SQL(
            "(%s) AND (connection.setup_step IS NULL OR connection.streams_chosen)", where))
