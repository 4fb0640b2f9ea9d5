from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ...connectors import jsontext
from ..sync.overlay import overlaid, path_text
from ..sync.personal import MASK


class PsaMessageChange(models.Model):
    """A correction of what a message says: old, new, who, why. The content that came stays as it is.

    Corrections in force lie over the content whenever the field map reads it, also in replays. They belong to this
    version of the record: a newer one from the source is read as it comes.
    """

    _name = "psa.message.change"
    _description = "Correction of a Message"
    _order = "id desc"
    _check_company_auto = True

    message_id = fields.Many2one("psa.message", required=True, readonly=True, index=True, ondelete="restrict")
    exception_id = fields.Many2one("psa.exception", readonly=True, index="btree_not_null", ondelete="set null")
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    path = fields.Json(required=True, readonly=True, help="Where the value stands: list of keys and positions.")
    name = fields.Char("Field", compute="_compute_name")
    old_value = fields.Text(
        required=True, readonly=True, groups="psa_hub.group_personal", help="As JSON, like it came.")
    new_value = fields.Text(
        required=True, readonly=True, groups="psa_hub.group_personal", help="As JSON, like it is read.")
    personal = fields.Boolean(readonly=True, help="It tells something about a person.")
    old_text = fields.Text("Came as", compute="_compute_texts", compute_sudo=True)
    new_text = fields.Text("Read as", compute="_compute_texts", compute_sudo=True)
    reason = fields.Text(required=True, readonly=True)
    user_id = fields.Many2one("res.users", "Corrected by", required=True, readonly=True)
    state = fields.Selection(
        [("asked", "Waits for a Second Person"), ("in_force", "In Force"), ("replaced", "Replaced"),
         ("refused", "Refused")],
        required=True, readonly=True, index=True)
    decided_by_id = fields.Many2one("res.users", readonly=True)
    decided_at = fields.Datetime(readonly=True)
    ended = fields.Boolean(
        "Over", compute="_compute_ended", help="The source has sent a newer version, which is read as it comes.")

    @api.depends("path")
    def _compute_name(self):
        for change in self:
            change.name = path_text(change.path or [])

    @api.depends("old_value", "new_value", "personal")
    @api.depends_context("uid")
    def _compute_texts(self):
        clear = self.env.user.has_group("psa_hub.group_personal")
        for change in self:
            masked = change.personal and not clear
            change.old_text = MASK if masked else self._plain(change.old_value)
            change.new_text = MASK if masked else self._plain(change.new_value)

    @api.model
    def _plain(self, text):
        """Return a value in JSON as people read it: a text without its quotes, a dash for no value."""
        value = jsontext.loads(text or "null")
        return "–" if value is None else value if isinstance(value, str) else text

    def _compute_ended(self):
        messages = self.message_id
        messages.flush_recordset()
        over = {message_id for (message_id,) in self.env.execute_query(SQL(
            """
            SELECT message.id FROM psa_message message
             WHERE message.id = ANY(%s) AND EXISTS (
                   SELECT FROM psa_message newer
                    WHERE newer.external_id = message.external_id AND newer.object_type = message.object_type
                      AND newer.connection_id = message.connection_id AND newer.direction = 'in'
                      AND newer.origin <> 'replay' AND newer.operation <> 'hint' AND newer.id > message.id)
            """, messages.ids))}
        for change in self:
            change.ended = change.message_id.id in over

    def write(self, vals):
        if not self.env.su:
            raise AccessError(self.env._("Corrections change through their buttons only."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("Corrections cannot be deleted: they say why a record was read otherwise."))

    # === MAKING === #
    @api.model
    def _correct(self, message, changes, reason):
        """Note corrections of ``message``; they count at once, or when a second person has agreed.

        :param changes: list of ``(path, old JSON text, new JSON text)``
        :return: the corrections
        """
        message.check_access("write")
        if not (reason or "").strip():
            raise UserError(self.env._("Say why: a correction keeps its reason for ever."))
        if message.state in ("done", "skipped") or message.direction != "in":
            raise UserError(self.env._("%s is finished already.", message.display_name))
        if not changes:
            raise UserError(self.env._("Nothing was changed."))
        known = message.sudo()
        raws = [overlaid(jsontext.loads(known.payload), overlay)
                for overlay in (known.overlay, [(path, new) for path, _old, new in changes])]
        is_personal = known._personal_test(known._personal_mappers().get(message.id), *raws)
        corrections = self.sudo().create([
            {"message_id": message.id, "exception_id": message.exception_id.id, "company_id": message.company_id.id,
             "path": list(path), "old_value": old, "new_value": new, "reason": reason, "user_id": self.env.uid,
             "personal": any(isinstance(value, str) and is_personal(value)
                             for value in map(jsontext.loads, (old, new))),
             "state": "asked"}
            for path, old, new in changes
        ]).sudo(False)
        corrections._log("message.correct")
        if corrections._is_small(message):
            corrections._put_in_force()
        return corrections

    @api.model
    def _is_small(self, message):
        """Return whether one person may correct it: money within the company's limit, and known.

        Of a transaction that could not be read nobody knows yet what it is worth.
        """
        if self.env.su or message.company_id.sudo().psa_allow_self_approval:
            return True
        money = max(abs(message.risk_amount), abs(message.exception_id.stated_amount))
        if not money and message.lane == "transaction":
            return False
        return money <= message.company_id.sudo().psa_correct_limit

    # === ACTIONS === #
    def action_agree(self):
        """Agree, as the second person: the message is read with these, and goes on at once."""
        self._check_second_person()
        self._put_in_force()

    def action_refuse(self):
        """Leave what came as it is."""
        self._check_second_person()
        self._decide("refused")
        self._log("message.correct_refused")

    def _check_second_person(self):
        self.check_access("read")
        if not self.env.su and not self.env.user.has_group("psa_hub.group_reviewer"):
            raise AccessError(self.env._("Only reviewers and approvers may agree to corrections."))
        if any(change.state != "asked" for change in self):
            raise UserError(self.env._("This was decided already."))
        if not self.env.su and self.filtered(lambda change: change.user_id == self.env.user):
            raise AccessError(self.env._("You made this correction: somebody else has to agree."))

    # === BUSINESS === #
    def _put_in_force(self):
        for message, changes in self.sudo().grouped("message_id").items():
            earlier = self.sudo().search([("message_id", "=", message.id), ("state", "=", "in_force")])
            paths = [change.path for change in changes]
            earlier.filtered(lambda change, paths=paths: change.path in paths).state = "replaced"
            kept = [row for row in message.overlay or [] if row[0] not in paths]
            message.overlay = [*kept, *([change.path, change.new_value] for change in changes)]
        self._decide("in_force")
        messages = self.message_id.sudo().filtered(lambda message: message.state not in ("done", "skipped"))
        messages.action_retry()
        messages._work_now()

    def _decide(self, state):
        self.sudo().write({"state": state, "decided_by_id": self.env.uid, "decided_at": fields.Datetime.now()})

    def _log(self, event):
        self.env["psa.audit"]._log([
            {"event": event, "res_model": "psa.message", "res_id": change.message_id.id,
             "company_id": change.company_id.id, "reason": change.reason,
             "before": {change.name: MASK if change.personal else change.old_value},
             "after": {change.name: MASK if change.personal else change.new_value}}
            for change in self.sudo()
        ])


class PsaMessage(models.Model):
    _inherit = "psa.message"

    change_ids = fields.One2many("psa.message.change", "message_id", "Corrections", readonly=True)
    asked_change_count = fields.Integer("Corrections That Wait", compute="_compute_asked_change_count")

    @api.depends("change_ids.state")
    def _compute_asked_change_count(self):
        for message in self:
            message.asked_change_count = len(message.change_ids.filtered(lambda change: change.state == "asked"))

    def action_correct(self):
        """Open the dialog that corrects what it says."""
        self.check_access("write")
        self.ensure_one()
        wizard = self.env["psa.message.correct"]._for_message(self)
        return {
            "type": "ir.actions.act_window", "name": self.env._("Correct the Data"), "res_model": wizard._name,
            "res_id": wizard.id, "view_mode": "form", "views": [(False, "form")], "target": "new",
        }


class PsaException(models.Model):
    _inherit = "psa.exception"

    change_ids = fields.One2many("psa.message.change", "exception_id", "Corrections", readonly=True)

    def action_correct(self):
        """Correct what the one message says that this holds; of several, choose one first."""
        self.ensure_one()
        self._check_open()
        messages = self._waiting_messages()
        return messages.action_correct() if len(messages) == 1 else self._fix_message()
