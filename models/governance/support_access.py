from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command

LONGEST_DAYS = 30


class PsaSupportAccess(models.Model):
    """Somebody who helps gets a group of the hub for a time, with a reason, and loses it by itself."""

    _name = "psa.support.access"
    _description = "Support Access"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _rec_name = "user_id"

    user_id = fields.Many2one(
        "res.users", "Person", required=True, domain=[("share", "=", False)], ondelete="restrict", index=True)
    group_id = fields.Many2one(
        "res.groups", "Right", required=True, ondelete="restrict",
        domain=lambda self: [("id", "in", self._hub_groups().ids)])
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company, ondelete="cascade",
        help="The person must be allowed in it already; support access never adds a company.")
    until = fields.Datetime(
        required=True, tracking=True, default=lambda self: fields.Datetime.now() + relativedelta(hours=8),
        help="At this moment the right is taken away; a login after it does not have it either.")
    reason = fields.Char(required=True, help="E.g. the number of the support case.")
    granted_by_id = fields.Many2one(
        "res.users", required=True, readonly=True, default=lambda self: self.env.user,
        ondelete="restrict")
    ended_at = fields.Datetime("Ended", readonly=True, copy=False, tracking=True)

    _one_open = models.UniqueIndex(
        "(user_id, group_id) WHERE ended_at IS NULL", "This person has this support access already.")
    _due_idx = models.Index("(until) WHERE ended_at IS NULL")

    @api.model
    def _hub_groups(self):
        privilege = self.env.ref("psa_hub.privilege_psa_hub")
        return self.env["res.groups"].sudo().search([("privilege_id", "=", privilege.id)]) | self.env.ref(
            "psa_hub.group_personal").sudo()

    @api.constrains("group_id", "until", "user_id", "granted_by_id", "company_id")
    def _check_limits(self):
        longest = fields.Datetime.now() + relativedelta(days=LONGEST_DAYS)
        for access in self.filtered(lambda access: not access.ended_at):
            if access.group_id not in self._hub_groups():
                raise ValidationError(self.env._("Support access is for rights of PSA Hub only."))
            if access.until > longest:
                raise ValidationError(self.env._("Support access ends after %s days at the latest.", LONGEST_DAYS))
            if access.user_id == access.granted_by_id:
                raise ValidationError(self.env._("Nobody grants support access to themselves."))
            if access.company_id not in access.user_id.sudo().company_ids:
                raise ValidationError(self.env._(
                    "%(person)s may not work in %(company)s.", person=access.user_id.name,
                    company=access.company_id.name))

    # === CRUD === #
    @api.model_create_multi
    def create(self, vals_list):
        accesses = super().create(vals_list)
        for access in accesses:
            if access.until <= fields.Datetime.now():
                raise ValidationError(self.env._("Support access ends in the future."))
            if access.group_id in access.user_id.sudo().all_group_ids:
                raise ValidationError(self.env._(
                    "%(person)s has the right “%(right)s” already.", person=access.user_id.name,
                    right=access.group_id.name))
            access.sudo().user_id.write({"group_ids": [Command.link(access.group_id.id)]})
        accesses._log_event("support.grant")
        return accesses

    def write(self, vals):
        if not self.env.su:
            if vals.keys() - {"until", "reason"}:
                raise AccessError(self.env._("End the support access, and grant another one."))
            if self.filtered("ended_at"):
                raise UserError(self.env._("This support access has ended."))
            result = super().write(vals)
            self._log_event("support.change")
            return result
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("Support access is ended, never deleted."))

    def _log_event(self, event):
        self.env["psa.audit"]._log([
            {
                "event": event, "res_model": self._name, "res_id": access.id, "company_id": access.company_id.id,
                "after": {"user": access.user_id.id, "group": access.group_id.sudo().name,
                          "until": fields.Datetime.to_string(access.until)},
                "reason": access.reason,
            }
            for access in self
        ])

    # === END === #
    def action_end(self):
        """Take the right away now."""
        self.check_access("write")
        self._end()

    def _end(self):
        accesses = self.sudo().filtered(lambda access: not access.ended_at)
        for access in accesses:
            access.user_id.write({"group_ids": [Command.unlink(access.group_id.id)]})
        accesses.write({"ended_at": fields.Datetime.now()})
        accesses.with_env(self.env)._log_event("support.end")

    @api.model
    def _end_due(self, users=None):
        """End what is past its time; of these users, else of all."""
        domain = [("ended_at", "=", False), ("until", "<=", fields.Datetime.now())]
        if users:
            domain.append(("user_id", "in", users.ids))
        self.sudo().search(domain)._end()


class ResUsers(models.Model):
    _inherit = "res.users"

    def _update_last_login(self):
        """EXTENDS base: who logs in after the time of a support access does not have it, whether or not a job ran."""
        self.env["psa.support.access"]._end_due(self.env.user)
        return super()._update_last_login()
