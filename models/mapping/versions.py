from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

APPROVERS = "psa_hub.group_approver"


class PsaMapping(models.Model):
    """From a draft to the version in force: simulated, then approved by somebody who did not make it.

    ``draft -> simulated -> approved -> active -> retired``; any change of the fields leads back to the draft.
    """

    _inherit = "psa.mapping"

    planned_at = fields.Datetime(
        "Goes in Force", copy=False,
        help="When the approved version replaces the one in force; empty: as soon as it is approved.")
    approved_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    approved_at = fields.Datetime("Approved", readonly=True, copy=False)
    simulation_ids = fields.One2many("psa.mapping.simulation", "mapping_id", "Simulations")
    simulation_id = fields.Many2one(
        "psa.mapping.simulation", "Last Simulation", compute="_compute_simulation_id",
        help="What this version would have changed.")
    may_approve = fields.Boolean(compute="_compute_may_approve")

    # === COMPUTE === #
    @api.depends("simulation_ids.state")
    def _compute_simulation_id(self):
        for mapping in self:
            mapping.simulation_id = mapping.simulation_ids.filtered(lambda run: run.state == "done")[:1]

    @api.depends("state", "author_ids")
    @api.depends_context("uid")
    def _compute_may_approve(self):
        approver = self.env.user.has_group(APPROVERS)
        for mapping in self:
            mapping.may_approve = (
                approver and mapping.state == "simulated" and self.env.user not in mapping.author_ids)

    # === CRUD === #
    def write(self, vals):
        if not self.env.su and vals.keys() & {"approved_by_id", "approved_at"}:
            raise UserError(self.env._("Put a field map in force with its buttons."))
        if not self.env.su and "planned_at" in vals:
            self._check_draft()
        return super().write(vals)

    # === ACTIONS === #
    def action_simulate(self):
        """Open the dialog that runs this version on stored messages."""
        self.ensure_one()
        self.check_access("write")
        self._check_complete()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Simulate %s", self.display_name),
            "res_model": "psa.mapping.simulation",
            "views": [(False, "form")],
            "context": {"default_mapping_id": self.id},
        }

    def action_open_simulation(self):
        """Show what the last simulation found."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "psa.mapping.simulation",
            "res_id": self.simulation_id.id,
            "views": [(False, "form")],
        }

    def action_approve(self):
        """Approve what was simulated. It goes in force at its planned time, else now."""
        self._check_approver()
        for mapping in self:
            if mapping.state != "simulated":
                raise UserError(self.env._("Simulate %s first: nobody knows yet what it changes.",
                                           mapping.display_name))
            if not self.env.su and self.env.user in mapping.author_ids:
                raise AccessError(self.env._(
                    "You have worked on %s yourself. Somebody else has to approve it.", mapping.display_name))
            mapping._check_complete()
        now = fields.Datetime.now()
        self.sudo().write({"state": "approved", "approved_by_id": self.env.uid, "approved_at": now})
        self.env["psa.audit"]._log([
            {"event": "mapping.approve", "res_model": self._name, "res_id": mapping.id,
             "company_id": mapping.company_id.id,
             "after": {"stream": mapping.stream_id.code, "version": mapping.version,
                       "planned_at": fields.Datetime.to_string(mapping.planned_at) or "",
                       "simulation": mapping.simulation_id.id}}
            for mapping in self
        ])
        self.sudo().activity_unlink(["mail.mail_activity_data_todo"])
        later = self.filtered(lambda mapping: mapping.planned_at and mapping.planned_at > now)
        if later:
            self.env.ref("psa_hub.cron_mapping_activate")._trigger(at=later.mapped("planned_at"))
        (self - later)._put_in_force()
        return True

    def action_activate(self):
        """Put approved versions in force now, whatever their planned time."""
        self._check_approver()
        if early := self.filtered(lambda mapping: mapping.state != "approved"):
            raise UserError(self.env._("%s is not approved.", early[0].display_name))
        self._put_in_force()
        return True

    def action_withdraw(self):
        """Make drafts again of what was simulated or approved and is not in force yet."""
        self.check_access("write")
        if wrong := self.filtered(lambda mapping: mapping.state not in ("simulated", "approved")):
            raise UserError(self.env._("%s cannot become a draft again.", wrong[0].display_name))
        self.sudo().write({"state": "draft", "approved_by_id": False, "approved_at": False})
        self.sudo().activity_unlink(["mail.mail_activity_data_todo"])
        return True

    def action_revert(self):
        """Put a former version in force again: it was approved once, and is needed when the present one is wrong."""
        self._check_approver()
        if wrong := self.filtered(lambda mapping: mapping.state != "retired"):
            raise UserError(self.env._("%s was not in force before.", wrong[0].display_name))
        if len(self.stream_id) < len(self):
            raise UserError(self.env._("Choose one version of each stream."))
        self._put_in_force("mapping.revert")
        return True

    def action_rederive(self):
        """Open the dialog that applies stored messages again, with the version in force."""
        self.ensure_one()
        self.check_access("read")
        self.env["psa.replay"].check_access("create")
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_replay")
        run = self.simulation_id
        action["context"] = {
            "default_connection_id": self.connection_id.id, "default_stream_ids": [(6, 0, self.stream_id.ids)],
            "default_since": run.date_from, "default_until": run.date_to, "default_states": "finished",
        }
        return action

    def _check_approver(self):
        """:raise AccessError: the user does not approve field maps"""
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group(APPROVERS):
            raise AccessError(self.env._("Only approvers and administrators put field maps in force."))

    # === BUSINESS === #
    def _note_simulated(self):
        """A simulation of these has ended: ask those who may approve."""
        drafts = self.sudo().filtered(lambda mapping: mapping.state == "draft")
        drafts.write({"state": "simulated"})
        for mapping in drafts:
            owner = mapping.connection_id._responsible()
            if owner not in mapping.author_ids and owner.has_group(APPROVERS):
                mapping.activity_schedule(
                    "mail.mail_activity_data_todo", user_id=owner.id,
                    summary=self.env._("Approve %s", mapping.display_name))

    @api.model
    def _cron_activate(self):
        """Put in force what is approved and due; of several versions of one stream the last one stays."""
        due = self.search([("state", "=", "approved"), "|", ("planned_at", "=", False),
                           ("planned_at", "<=", fields.Datetime.now())], order="planned_at, version")
        newest = {mapping.stream_id: mapping for mapping in due}
        current = self.browse(mapping.id for mapping in newest.values())
        (due - current).write({"state": "retired"})
        current._put_in_force()
