import secrets

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ... import connectors

INTEGRATION_USER = "psa_hub.user_integration"


class PsaConnection(models.Model):
    """A vendor account of one company, and all that belongs to it: credentials, streams, budget, health."""

    _name = "psa.connection"
    _description = "Connection"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "name, id"
    _check_company_auto = True

    # === FIELDS === #

    name = fields.Char(required=True, tracking=True)
    connector_code = fields.Selection(
        selection="_selection_connector", string="System", required=True,
        help="The system at the other end. It cannot be changed later: its records are bound to this connection.")
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company,
        help="Company that owns the account. Records go to the company that each of them names.")
    environment = fields.Selection(
        [("production", "Production"), ("sandbox", "Sandbox")], required=True, default="production", tracking=True,
        help="A sandbox connection may use plain http and private addresses; a production one may not.")
    state = fields.Selection(
        [("draft", "Not checked"), ("connected", "Connected"), ("refused", "Refused"), ("paused", "Paused")],
        required=True, default="draft", readonly=True, copy=False, tracking=True,
        help="Refused: the system rejects our credentials or rights; the work waits. "
             "Paused: deliveries are stored and nothing is read or written.")
    active = fields.Boolean(default=True)
    owner_id = fields.Many2one(
        "res.users", required=True, default=lambda self: self.env.user, tracking=True,
        domain=[("share", "=", False)], help="Gets an activity when the connection is refused.")
    deputy_id = fields.Many2one(
        "res.users", string="Stand-in", domain=[("share", "=", False)],
        help="Gets the activity when the owner's user is archived.")
    user_id = fields.Many2one(
        "res.users", string="Integration User", required=True, copy=False,
        default=lambda self: self.env.ref(INTEGRATION_USER, raise_if_not_found=False),
        domain=[("share", "=", False)], help="Records are created and changed in this user's name.")

    auth_method = fields.Selection(
        selection="_selection_auth_method", string="Authentication", compute="_compute_defaults", store=True,
        readonly=False, precompute=True)
    setting_ids = fields.One2many(
        "psa.connection.setting", "connection_id", domain=[("kind", "=", "text")], string="Setting Lines")
    package_ids = fields.One2many(
        "psa.connection.setting", "connection_id", domain=[("kind", "=", "package")], string="Package Lines")
    settings = fields.Json(compute="_compute_settings", inverse="_inverse_settings", copy=True)
    package_codes = fields.Json(
        compute="_compute_package_codes", inverse="_inverse_package_codes", copy=True)
    credential_ids = fields.One2many(
        "psa.credential", "connection_id", string="Credentials", groups="psa_hub.group_administrator")
    database_uuid = fields.Char(
        readonly=True, copy=False, required=True, default=lambda self: self._current_database_uuid(),
        help="The connection works in the database it was made in, and in no copy of it.")

    read_since = fields.Datetime(
        help="A first read starts with records changed since then; empty: from the beginning.")
    webhook_token = fields.Char(
        required=True, readonly=True, copy=False, default=lambda self: secrets.token_urlsafe(32),
        groups="psa_hub.group_administrator")
    webhook_url = fields.Char("Webhook Address", compute="_compute_webhook_url", groups="psa_hub.group_administrator")
    webhook_max_bytes = fields.Integer(
        string="Largest Delivery (bytes)", default=2 * 1024 * 1024, required=True,
        help="A larger webhook delivery is answered 413.")
    webhook_backlog_limit = fields.Integer(
        string="Backlog Limit", default=50_000, required=True,
        help="With more messages than this waiting to be worked on, deliveries are answered 429 with Retry-After.")
    backfill_backlog_limit = fields.Integer(
        string="Back-fill Backlog", default=5_000, required=True,
        help="A back-fill reads no further while more of its messages than this wait, so that it does not starve "
             "live traffic.")

    rate_calls = fields.Integer(string="Calls", compute="_compute_defaults", store=True, readonly=False,
                                precompute=True, help="Rate budget: at most this many calls ...")
    rate_seconds = fields.Integer(string="Per Seconds", compute="_compute_defaults", store=True, readonly=False,
                                  precompute=True, help="... in this many seconds, over all workers.")
    breaker_kind = fields.Selection(related="gate_ids.breaker_kind")
    gate_ids = fields.One2many("psa.connection.gate", "connection_id", readonly=True)
    breaker_state = fields.Selection(related="gate_ids.breaker_state")
    breaker_until = fields.Datetime(related="gate_ids.breaker_until", string="Next Attempt")
    breaker_reason = fields.Char(related="gate_ids.breaker_reason", string="Refused Because")
    reads_until = fields.Datetime(related="gate_ids.reads_until", string="Reading Rests Until")
    last_success_at = fields.Datetime(related="gate_ids.last_success_at", string="Last Good Answer")

    stream_ids = fields.One2many("psa.stream", "connection_id", string="Streams")

    # === CONSTRAINTS === #

    _webhook_token_uniq = models.UniqueIndex("(webhook_token)", "The webhook address of a connection must be unique.")
    _rate_positive = models.Constraint(
        "CHECK(rate_calls > 0 AND rate_seconds > 0)", "The rate budget needs at least one call in one second.")
    _limits_positive = models.Constraint(
        "CHECK(webhook_max_bytes > 0 AND webhook_backlog_limit > 0 AND backfill_backlog_limit > 0)",
        "The limits of a connection must be above zero.")

    @api.constrains("connector_code", "auth_method")
    def _check_auth_method(self):
        for connection in self:
            known = [method.code for method in connection._connector().auth_methods]
            if known and connection.auth_method not in known:
                raise ValidationError(self.env._(
                    "%(system)s does not know this way to log in. Choose one of: %(methods)s.",
                    system=connection._connector().label,
                    methods=", ".join(method.label for method in connection._connector().auth_methods)))

    # === SELECTIONS AND DEFAULTS === #

    @api.model
    def _selection_connector(self):
        return sorted(((code, item.label) for code, item in connectors.connectors().items()), key=lambda pair: pair[1])

    @api.model
    def _selection_auth_method(self):
        methods = {}
        for connector in connectors.connectors().values():
            for method in connector.auth_methods:
                methods.setdefault(method.code, method.label)
        return list(methods.items())

    @api.model
    def _current_database_uuid(self):
        return self.env["ir.config_parameter"].sudo().get_param("database.uuid")

    # === COMPUTE === #

    @api.depends("connector_code")
    def _compute_defaults(self):
        for connection in self:
            if not connection.connector_code:
                connection.rate_calls, connection.rate_seconds = 25, 1
                continue
            connector = connection._connector()
            known = [method.code for method in connector.auth_methods]
            if connection.auth_method not in known:
                connection.auth_method = known[0] if known else False
            connection.rate_calls, connection.rate_seconds = connector.rate_budget

    @api.depends("setting_ids.value")
    def _compute_settings(self):
        for connection in self:
            connection.settings = {line.code: line.value or "" for line in connection.setting_ids}

    def _inverse_settings(self):
        self.env["psa.connection.setting"]._store(self, "text", "value")
        self.invalidate_recordset(["settings"])  # what was not given keeps its value

    @api.depends("package_ids.enabled")
    def _compute_package_codes(self):
        for connection in self:
            connection.package_codes = connection.package_ids.filtered("enabled").mapped("code")

    def _inverse_package_codes(self):
        self.env["psa.connection.setting"]._store(self, "package", "enabled")
        self.invalidate_recordset(["package_codes"])

    @api.depends("webhook_token", "connector_code")
    def _compute_webhook_url(self):
        for connection in self:
            if connection.connector_code and connection._connector().has_webhook:
                connection.webhook_url = f"{connection.get_base_url()}/psa_hub/webhook/{connection.webhook_token}"
            else:
                connection.webhook_url = False

    # === CRUD === #

    @api.model_create_multi
    def create(self, vals_list):
        connections = super().create(vals_list)
        for model in ("psa.connection.gate", "psa.token"):
            self.env[model].sudo().create([{"connection_id": item.id} for item in connections])
        connections._declare()
        connections._grant_companies()
        return connections

    def write(self, vals):
        if "connector_code" in vals and any(item.connector_code != vals["connector_code"] for item in self):
            raise UserError(self.env._(
                "The system of a connection cannot be changed, because its records are bound to it. "
                "Make a new connection."))
        result = super().write(vals)
        if vals.keys() & {"package_codes", "package_ids", "auth_method", "settings"}:
            self._declare()
        if vals.keys() & {"user_id", "company_id"}:
            self._grant_companies()
        return result

    def _grant_companies(self):
        """Let the integration users work in every company: a vendor account often holds records of several."""
        users = self.user_id.sudo()
        companies = self.env["res.company"].sudo().search([("active", "=", True)])
        for user in users.filtered(lambda item: companies - item.company_ids):
            user.company_ids |= companies

    # === BUSINESS === #

    def _connector(self):
        """Return the plain-Python connector of this connection."""
        self.ensure_one()
        return connectors.get(self.connector_code)

    def _natural_keys(self):
        """Return ``{object type: canonical type}`` of records that are named by keys that people use in Odoo too."""
        return {name: type_name for provider in self.sudo()._providers().values()
                for name, type_name in provider.natural_keys.items()}

    def _providers(self):
        """Return ``{code: connector or package}`` of all that declares streams here."""
        self.ensure_one()
        offered = connectors.packages(self.connector_code)
        chosen = self.package_codes or []
        return {self.connector_code: self._connector(), **{code: offered[code] for code in chosen if code in offered}}
