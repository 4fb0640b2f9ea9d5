from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

#: Records that external ones become, and which field leads to the customer and to the contract they belong to.
HOLD_PATHS = {
    "res.partner": ("id", None),
    "sale.order": ("partner_id", "id"),
    "project.project": ("partner_id", "psa_contract_id"),
    "project.task": ("project_id.partner_id", "project_id.psa_contract_id"),
    "project.milestone": ("project_id.partner_id", "project_id.psa_contract_id"),
    "account.analytic.line": ("project_id.partner_id", "project_id.psa_contract_id"),
    "hr.expense": ("sale_order_id.partner_id", "sale_order_id"),
    "psa.assignment": ("project_id.partner_id", "project_id.psa_contract_id"),
    "psa.agreement": ("order_id.partner_id", "order_id"),
    "psa.rate": ("partner_id", "order_id"),
    "account.payment": ("partner_id", None),
}


class PsaLegalHold(models.Model):
    """A dispute or an inquiry: what belongs to a customer, a contract or a connection is kept, whatever its age."""

    _name = "psa.legal.hold"
    _description = "Legal Hold"
    _inherit = ["mail.thread"]
    _order = "released_at DESC NULLS FIRST, id desc"
    _rec_name = "reason"
    _check_company_auto = True

    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="cascade")
    partner_id = fields.Many2one(
        "res.partner", "Customer", index="btree_not_null", ondelete="restrict", tracking=True,
        help="With all its contacts, contracts and projects, in every company.")
    order_id = fields.Many2one(
        "sale.order", "Contract", index="btree_not_null", ondelete="restrict", check_company=True, tracking=True)
    connection_id = fields.Many2one(
        "psa.connection", index="btree_not_null", ondelete="restrict", check_company=True, tracking=True)
    reason = fields.Char(required=True, tracking=True, help="The matter, e.g. the number of the case.")
    user_id = fields.Many2one(
        "res.users", "Put On By", required=True, readonly=True, default=lambda self: self.env.user, ondelete="restrict")
    released_at = fields.Datetime(readonly=True, copy=False)
    released_by_id = fields.Many2one("res.users", readonly=True, copy=False, ondelete="restrict")
    release_reason = fields.Char(readonly=True, copy=False, tracking=True)

    _one_subject = models.Constraint(
        "CHECK(num_nonnulls(partner_id, order_id, connection_id) = 1)",
        "A legal hold is on a customer, a contract or a connection: choose one.")

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        holds = super().create(vals_list)
        holds._log_event("legal_hold.put", "reason")
        return holds

    def write(self, vals):
        if not self.env.su and vals.keys() & {"partner_id", "order_id", "connection_id", "company_id", "user_id",
                                              "released_at", "released_by_id", "release_reason"}:
            raise UserError(self.env._("A legal hold is not changed: release it, and put on another one."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A legal hold is released, never deleted."))

    def _log_event(self, event, reason_field):
        self.env["psa.audit"]._log([
            {
                "event": event, "res_model": self._name, "res_id": hold.id, "company_id": hold.company_id.id,
                "after": {name: hold[name].id for name in ("partner_id", "order_id", "connection_id") if hold[name]},
                "reason": hold[reason_field],
            }
            for hold in self
        ])

    # === ACTIONS === #
    def action_release(self, reason=None):
        """Let retention go on with what these kept; asks for the reason when none is given."""
        self.check_access("write")
        if reason is None:
            return self.env["psa.reason"]._ask_for("release_legal_hold", self)
        if not reason.strip():
            raise UserError(self.env._("Say why: the reason is kept for ever."))
        holds = self.filtered(lambda hold: not hold.released_at)
        holds.sudo().write({
            "released_at": fields.Datetime.now(), "released_by_id": self.env.uid, "release_reason": reason})
        holds._log_event("legal_hold.release", "release_reason")
        return None

    # === WHAT IS KEPT === #
    @api.model
    def _open(self):
        return self.sudo().search([("released_at", "=", False)])

    def _domain(self, partner_path, order_path):
        """Return the domain of what belongs to the customers and contracts of these; None: nothing does."""
        domains = [fields.Domain(path, operator, ids) for path, operator, ids in (
            (partner_path, "child_of", self.partner_id.ids), (order_path, "in", self.order_id.ids)) if path and ids]
        return fields.Domain.OR(domains) if domains else None

    @api.model
    def _spared_messages(self):
        """Return the SQL condition on ``message`` (psa_message) that no legal hold keeps it."""
        holds = self._open()
        conditions = []
        if holds.connection_id:
            conditions.append(SQL("message.connection_id <> ALL(%s)", holds.connection_id.ids))
        bound = []
        for model_name, (partner_path, order_path) in HOLD_PATHS.items():
            domain = holds._domain(partner_path, order_path)
            if domain is not None:
                query = self.env[model_name].sudo().with_context(active_test=False)._search(domain)
                bound.append(SQL(
                    "SELECT connection_id, object_type, COALESCE(part_of, external_id) AS external_id FROM psa_binding "
                    "WHERE res_model = %s AND res_id IN %s", model_name, query.subselect()))
        if bound:
            conditions.append(SQL(
                "(message.connection_id, message.object_type, message.external_id) NOT IN (%s)",
                SQL(" UNION ").join(bound)))
        return SQL(" AND ").join(conditions) if conditions else SQL("TRUE")
