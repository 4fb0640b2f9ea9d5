import hashlib
import json
import re

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import NO_ACCESS
from odoo.tools import SQL

from ..sync.personal import Personal, replaced
from ..sync.psa_message_intake import text_hash
from .audit_chain import ERASED, canonical, erase
from .audit_seal import CONTENT, AuditRow

#: Messages looked through in one transaction.
IDS_AT_ONCE = 50_000
#: Shorter texts are no help in finding a person, and hit others.
SHORTEST = 4
#: What is a person's own, by record type; it is emptied in Odoo, and looked for everywhere in the hub.
OWN_FIELDS = {
    "res.partner": ("name", "email", "phone", "street", "street2", "vat", "function", "website"),
    "hr.employee": ("name", "work_email", "work_phone", "mobile_phone", "private_email", "private_phone",
                    "private_street", "private_street2", "job_title"),
    "res.users": ("login",),
}
#: Said of many people: emptied on the record, but not looked for elsewhere.
NOT_LOOKED_FOR = ("function", "job_title", "website")
#: Texts of the hub that may name the person, by table.
TEXTS = {
    "psa_message": ("error",),
    "psa_exception": ("name", "detail", "close_reason"),
    "psa_entry": ("description", "narrative"),
    "psa_message_change": ("old_value", "new_value", "reason"),
}


class PsaErasure(models.Model):
    """A person asks to be forgotten: one request, what it did, and nothing of the person.

    Texts are replaced, numbers stay, so that every total is what it was. Audit rows lose the values and keep the proof
    of the rest of them (:mod:`.audit_chain`). Invoices and evidence packs stay as long as the law wants them.
    """

    _name = "psa.erasure"
    _description = "Erasure of a Person"
    _order = "id desc"

    # === FIELDS === #
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, default=lambda self: self.env.company, index=True)
    partner_id = fields.Many2one(
        "res.partner", "Contact", ondelete="restrict", domain=[("is_company", "=", False)],
        help="A person. Companies are not persons; legal holds go first.")
    employee_id = fields.Many2one("hr.employee", ondelete="restrict")
    user_id = fields.Many2one(
        "res.users", "Requested By", required=True, readonly=True, default=lambda self: self.env.user,
        ondelete="restrict")
    reason = fields.Char(required=True, help="E.g. the number of the request. Do not name the person here.")
    in_odoo = fields.Boolean(
        "Contact and Employee Too", default=True,
        help="Name and addresses of the contact and the employee are replaced as well, and a user is archived.")
    state = fields.Selection(
        [("draft", "Requested"), ("running", "Running"), ("done", "Done")], required=True, readonly=True,
        default="draft")
    approved_by_id = fields.Many2one("res.users", "Carried Out By", readonly=True, copy=False, ondelete="restrict")
    done_at = fields.Datetime("Done", readonly=True, copy=False)
    position = fields.Integer(readonly=True, copy=False, help="Last message that was looked through.")
    values = fields.Json(groups=NO_ACCESS, copy=False, help="What is looked for; emptied at the end.")
    message_count = fields.Integer("Messages", readonly=True, copy=False)
    text_count = fields.Integer("Other Texts", readonly=True, copy=False)
    audit_count = fields.Integer("Audit Rows", readonly=True, copy=False)

    _subject = models.Constraint(
        "CHECK(partner_id IS NOT NULL OR employee_id IS NOT NULL)", "Choose the contact or the employee.")

    @api.depends("state")
    def _compute_display_name(self):
        for erasure in self:
            erasure.display_name = self.env._("Erasure %s", erasure.id or "")

    # === CRUD === #
    def write(self, vals):
        if not self.env.su and (vals.keys() - {"reason", "in_odoo", "partner_id", "employee_id"}
                                or self.filtered(lambda erasure: erasure.state != "draft")):
            raise AccessError(self.env._("An erasure changes through its button only, and never after it began."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_if_draft(self):
        if self.filtered(lambda erasure: erasure.state != "draft"):
            raise UserError(self.env._("That a person was erased is kept."))

    # === ACTIONS === #
    def action_erase(self):
        """Begin. It cannot be taken back, so another person than the one who asked does it, unless the company allows
        what is prepared and approved by one person.

        :raise UserError: a legal hold, a company, or an erasure that has begun
        """
        self.check_access("write")
        for erasure in self:
            if erasure.state != "draft":
                raise UserError(self.env._("%s has begun already.", erasure.display_name))
            if erasure.user_id == self.env.user and not erasure.company_id.sudo().psa_allow_self_approval:
                raise AccessError(self.env._(
                    "You asked for it: another administrator carries it out, because it cannot be taken back."))
            erasure._check_holds()
            erasure.sudo().write({
                "state": "running", "approved_by_id": self.env.uid, "values": sorted(erasure._values()), "position": 0})
        self.env.ref("psa_hub.cron_erasure")._trigger()

    def _check_holds(self):
        if self.partner_id.is_company:
            raise UserError(self.env._("%s is a company. Only persons are erased.", self.partner_id.display_name))
        family = self._subjects()["res.partner"].mapped("commercial_partner_id") | self._subjects()["res.partner"]
        kept = self.env["psa.legal.hold"]._open().filtered(lambda hold: hold.partner_id in family)
        if kept:
            raise UserError(self.env._(
                "A legal hold keeps what belongs to %s. Release it first.", kept[0].partner_id.display_name))

    # === WHO AND WHAT === #
    def _subjects(self):
        """Return ``{model name: records}`` of the person."""
        erasure = self.sudo()
        employee = erasure.employee_id
        user = employee.user_id | erasure.partner_id.with_context(active_test=False).user_ids
        partner = erasure.partner_id | employee.work_contact_id | user.partner_id
        return {"res.partner": partner.filtered(lambda item: not item.is_company), "hr.employee": employee,
                "res.users": user}

    def _values(self):
        """Return the personal texts (set): those in Odoo, and those in what the sources ever said of the person."""
        found = set()
        for model_name, records in self._subjects().items():
            for name in OWN_FIELDS[model_name]:
                if name not in NOT_LOOKED_FOR:
                    found |= {str(value) for value in records.mapped(name) if value}
        messages = self._own_messages()
        mappers = messages._personal_mappers()
        for message in messages:
            if message.id in mappers and message.payload:
                try:
                    found |= mappers[message.id].personal_values(json.loads(message.payload))
                except ValueError:  # unreadable: it is erased as a text
                    continue
        return {value.strip() for value in found if len(value.strip()) >= SHORTEST}

    def _own_bindings(self):
        domain = fields.Domain.OR(
            fields.Domain("res_model", "=", name) & fields.Domain("res_id", "in", records.ids)
            for name, records in self._subjects().items())
        return self.env["psa.binding"].sudo().search(domain)

    def _own_messages(self):
        """Return the messages about the person's own records."""
        keys = {(row.connection_id.id, row.object_type, row.external_id) for row in self._own_bindings()}
        if not keys:
            return self.env["psa.message"].sudo()
        return self.env["psa.message"].sudo().browse(row_id for (row_id,) in self.env.execute_query(SQL(
            "SELECT id FROM psa_message WHERE external_id = ANY(%s) "
            "AND (connection_id, object_type, external_id) IN %s",
            sorted({key[2] for key in keys}), tuple(keys))))

    # === DOING IT === #
    @api.model
    def _cron_erase(self):
        Cron = self.env["ir.cron"]
        running = self.sudo().search([("state", "=", "running")], order="id")
        Cron._commit_progress(remaining=len(running))
        for erasure in running:
            while not erasure._step():
                if not Cron._commit_progress():
                    return
            if not Cron._commit_progress(1):
                return

    def _step(self):
        """Look through some more messages, or finish. :return: it is done"""
        self.ensure_one()
        Message = self.env["psa.message"].sudo()
        Message.flush_model()
        (last,), = self.env.execute_query(SQL("SELECT COALESCE(MAX(id), 0) FROM psa_message"))
        if self.position < last:
            until = min(self.position + IDS_AT_ONCE, last)
            self.message_count += self._erase_payloads(SQL(
                "id > %s AND id <= %s AND payload ILIKE ANY(%s)", self.position, until, self._likes()), parts=False)
            self.position = until
            return False
        own = self._own_messages()
        self.message_count += self._erase_payloads(SQL("id = ANY(%s)", own.ids), parts=True)
        self._own_bindings().write({"applied": False, "fingerprint": False})
        self.text_count = self._erase_texts()
        self.file_count = self._erase_files()
        if self.in_odoo:
            self._erase_records()
        self._erase_audit()
        self.write({"state": "done", "done_at": fields.Datetime.now(), "values": False})
        return True

    def _likes(self):
        """Return patterns of the values, as they are and as JSON writes them."""
        spelled = {text for value in self.values for text in (value, json.dumps(value)[1:-1])}
        return ["%" + re.sub(r"([%_\\])", r"\\\1", text) + "%" for text in sorted(spelled)]

    def _erase_payloads(self, condition, parts):
        """Replace the values in contents; their hash and key are those of what is left.

        :param condition: SQL on psa_message
        :param parts: whole words of a value count too (only in what is about the person)
        :return: number of messages changed
        """
        is_personal = Personal(self.values, parts)
        pattern = re.compile("|".join(map(re.escape, self.values)), re.IGNORECASE) if self.values else None
        rows = []
        for message_id, payload in self.env.execute_query(SQL(
                "SELECT id, payload FROM psa_message WHERE payload IS NOT NULL AND %s FOR UPDATE", condition)):
            try:
                text = json.dumps(replaced(json.loads(payload), is_personal, ERASED), ensure_ascii=False)
                changed = json.loads(text) != json.loads(payload)
            except ValueError:
                text = pattern.sub(ERASED, payload) if pattern else payload
                changed = text != payload
            if changed:
                rows.append((message_id, text, text_hash(text)))
        if rows:
            ids, texts, hashes = map(list, zip(*rows, strict=True))
            self.env.execute_query(SQL(
                """
                UPDATE psa_message message SET payload = new.payload, payload_hash = new.hash,
                       dedupe_key = replace(message.dedupe_key, message.payload_hash, 'erased:' || message.id)
                  FROM unnest(%s::int[], %s::text[], %s::varchar[]) AS new(id, payload, hash)
                 WHERE message.id = new.id RETURNING message.id
                """, ids, texts, hashes))
            self.env["psa.message"].invalidate_model(["payload", "payload_hash", "dedupe_key"])
        return len(rows)

    def _erase_texts(self):
        """Replace the values in the hub's other texts and the discussions beside them. :return: number of rows"""
        if not self.values:
            return 0
        pattern = "(?i)" + "|".join(re.escape(value) for value in sorted(self.values, key=len, reverse=True))
        places = [(table, columns, SQL("TRUE")) for table, columns in TEXTS.items()]
        places += [("psa_message", ("overlay",), SQL("TRUE"))]
        about_hub = SQL("model LIKE 'psa.%%'")
        places += [("mail_message", ("body", "subject"), about_hub), ("mail_tracking_value", (
            "old_value_char", "new_value_char", "old_value_text", "new_value_text"), SQL(
                "mail_message_id IN (SELECT id FROM mail_message WHERE %s)", about_hub))]
        self.env.flush_all()
        count = 0
        for table, columns, condition in places:
            sets = SQL(", ").join(
                SQL("%(column)s = regexp_replace(%(column)s::text, %(pattern)s, %(mark)s, 'g')%(cast)s",
                    column=SQL.identifier(column), pattern=pattern, mark=ERASED,
                    cast=SQL("::jsonb") if column == "overlay" else SQL()) for column in columns)
            hit = SQL(" OR ").join(SQL("%s::text ~ %s", SQL.identifier(column), pattern) for column in columns)
            count += len(self.env.execute_query(SQL(
                "UPDATE %s SET %s WHERE %s AND (%s) RETURNING id", SQL.identifier(table), sets, condition, hit)))
        self.env.invalidate_all()
        return count

    def _erase_records(self):
        """Replace what is the person's own in Odoo; the records stay, because documents point to them."""
        name = self.env._("Erased person %s", self.id)
        for model_name, records in self._subjects().items():
            names = [item for item in OWN_FIELDS[model_name] if item in records._fields]
            for record in records.with_context(tracking_disable=True):
                values = dict.fromkeys(names, False)
                if model_name == "res.users":
                    values = {"login": f"erased-{record.id}", "active": False}
                else:
                    values |= {"name": name, "image_1920": False}
                record.write(values)

    def _erase_audit(self):
        """Take the values out of the snapshots; what else a row says is proved by its hash as before."""
        Audit = self.env["psa.audit"].sudo()
        Audit._seal_all()
        is_personal = Personal(self.values)
        rows = []
        for values in self.env.execute_query(SQL(
                "SELECT %s FROM psa_audit WHERE sequence IS NOT NULL AND "
                "concat_ws(' ', before::text, after::text, reason) ILIKE ANY(%s) FOR UPDATE", CONTENT, self._likes())):
            row = AuditRow(*values)
            if done := erase(row.body, row.salt, row.erased, is_personal):
                rows.append((row.id, *done))
        self.env.execute_query(SQL("SELECT set_config('psa_hub.erasing', 'on', TRUE)"))
        for row_id, body, erased in rows:
            self.env.cr.execute(SQL(
                "UPDATE psa_audit SET before = %s::jsonb, after = %s::jsonb, reason = %s, salt = NULL, "
                "erased = %s::jsonb WHERE id = %s",
                body["before"] and json.dumps(body["before"]), body["after"] and json.dumps(body["after"]),
                body["reason"], json.dumps(erased), row_id))
        self.env.execute_query(SQL("SELECT set_config('psa_hub.erasing', 'off', TRUE)"))
        Audit.invalidate_model()
        self.audit_count = len(rows)
        ids = sorted(row_id for row_id, _body, _erased in rows)
        self.env["psa.audit"].with_user(self.approved_by_id)._log([{
            "event": "person.erase", "res_model": self._name, "res_id": self.id, "company_id": self.company_id.id,
            "reason": self.reason,
            "after": {
                "messages": self.message_count, "texts": self.text_count, "files": self.file_count, "audit_rows": ids,
                "requested_by": self.user_id.id,
                "digest": hashlib.sha256(canonical(ids).encode()).hexdigest(),
            },
        }])
