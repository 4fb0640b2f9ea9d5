# pylint: disable=invalid-commit  # a check has nothing to roll back, and must see what was noted beside it
import contextlib
import logging

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import str2bool

from ...connectors.base import Session
from ...connectors.errors import (
    ConnectionRefusedByVendor,
    ConnectorError,
    MissingScopeError,
    QuotaError,
    TransientError,
    UnsafeUrlError,
)
from ...connectors.transport import Transport
from .gate import Gate, GateClosed
from .own_cursor import own_env
from .psa_credential import Secrets
from .token_store import DatabaseTokenStore

_logger = logging.getLogger(__name__)

LONG_OUTAGE_SECONDS = 3600  # an outage is a person's business from here on


class PsaConnection(models.Model):
    """Calling out: who may, with what, and what a failure does to the connection."""

    _inherit = "psa.connection"

    # === MAY IT CALL OUT === #

    def _is_live(self):
        """Return whether this database may call out for this connection and work on its messages.

        The gate asks again before every single call.
        """
        self.ensure_one()
        parameters = self.env["ir.config_parameter"].sudo()
        return (self.active and self.state != "paused"
                and not str2bool(parameters.get_param("database.is_neutralized"), False)
                and self.database_uuid == parameters.get_param("database.uuid"))

    # === CREDENTIALS === #

    def _credential_values(self):
        """Return the decrypted values by code. :raise ConnectionRefusedByVendor: this server has not got the key"""
        self.ensure_one()
        stored = self.env["psa.credential"].sudo().search([
            ("connection_id", "=", self.id), ("value_encrypted", "!=", False)])
        try:
            return Secrets((item.code, item._decrypt(item.value_encrypted)) for item in stored)
        except UserError as error:
            raise ConnectionRefusedByVendor(str(error), code="secret_key") from error

    def _set_credentials(self, values, keep_token=False):
        """Encrypt and store credential values by code.

        :param keep_token: the access token stays good (the vendor rotated a value along with it)
        """
        self.ensure_one()
        Credential = self.env["psa.credential"].sudo()
        lines = {line.code: line for line in Credential.search([("connection_id", "=", self.id)])}
        missing = [code for code in values if code not in lines]
        for line in Credential.create([
                {"connection_id": self.id, "code": code, "name": code, "sequence": 90} for code in missing]):
            lines[line.code] = line
        for code, value in values.items():
            lines[code]._set(value, by_vendor=keep_token)
        if not keep_token:
            self._forget_token()


    def _forget_token(self):
        self.env["psa.token"].sudo().search([("connection_id", "in", self.ids)]).write({"value_encrypted": False})

    # === SESSION === #

    def _session(self, patience=5.0, reserve=0.0, writing=False, force=False):
        """Return the :class:`connectors.base.Session` for one unit of work. Use it inside :meth:`_calling`.

        :param patience: longest wait for the rate budget, in seconds
        :param reserve: part of the budget left to others (0 to 1)
        :param writing: it writes back, which goes on when the quota for reading is used up
        :param force: call although the breaker is open
        :raise ConnectionRefusedByVendor: a required value is not filled in, or cannot be decrypted
        """
        self.ensure_one()
        connection = self.sudo()
        credentials = connection._credential_values()
        settings = connection.settings or {}
        method = next((item for item in connection._connector().auth_methods if item.code == connection.auth_method),
                      None)
        empty = [item.label for item in (method.fields if method else ())
                 if item.required and not credentials.get(item.code)]
        empty += [item.name for item in connection.setting_ids if item.required and not item.value]
        if empty:
            raise ConnectionRefusedByVendor(
                self.env._("Fill in first: %s.", ", ".join(empty)), code="incomplete")
        gate = Gate(self.env, self.id, patience=patience, reserve=reserve, writing=writing, force=force)
        transport = Transport(allow_private=connection.environment == "sandbox", before_call=gate.before_call)
        session = Session(credentials=credentials, settings=settings, transport=transport,
                          tokens=DatabaseTokenStore(self.env, self.id), auth_method=connection.auth_method or "",
                          wanted={} if writing else connection._wanted_fields())
        session.memory["gate"] = gate
        return session

    @contextlib.contextmanager
    def _calling(self, **options):
        """Yield a session, and note for all workers whether the connection works.

        Call it with nothing uncommitted: what it learns is written in transactions of its own. Errors are raised
        again after they were noted.
        """
        self.ensure_one()
        gate = Gate(self.env, self.id)
        session = None
        try:
            session = self._session(**options)
            gate = session.memory["gate"]
            yield session
        except GateClosed:
            raise
        except (ConnectionRefusedByVendor, UnsafeUrlError) as error:
            gate.refused(str(error))
            self._note_refused(error)
            raise
        except QuotaError as error:
            gate.quota(str(error), error.retry_after or 60)
            raise
        except TransientError as error:
            if gate.failed(str(error)) > LONG_OUTAGE_SECONDS:
                self._note_refused(error)
            raise
        except ConnectorError:
            if gate.succeeded():  # it answered, if only to refuse a record
                self._note_recovered()
            raise
        else:
            if gate.succeeded():
                self._note_recovered()
        finally:
            if session is not None:
                session.transport.close()

    # === WHAT PEOPLE ARE TOLD === #

    def _exception_key(self):
        return f"connection:{self.id}"

    def _responsible(self):
        """Return the user who is told: the owner, or the stand-in when the owner has left."""
        return next((user for user in (self.owner_id, self.deputy_id) if user.active), self.owner_id)

    def _note_refused(self, error):
        """One exception for the connection and one activity for its owner, however many workers meet the refusal."""
        with own_env(self.env(su=True)) as env:
            connection = env["psa.connection"].browse(self.id)
            cause = "missing_scope" if isinstance(error, MissingScopeError) else "connection_refused"
            connection._open_exceptions().filtered(lambda item: item.cause_code != cause)._close_if_released()
            env["psa.exception"]._raise([{
                "cause": cause,
                "subject_key": connection._exception_key(),
                "text": env._("%(connection)s does not work: %(reason)s", connection=connection.name,
                              reason=str(error)),
                "company_id": connection.company_id.id,
                "connection_id": connection.id,
                "res_model": connection._name,
                "res_id": connection.id,
                "detail": f"{type(error).__name__} {getattr(error, 'code', '')}".strip(),
            }])
            if connection.state == "connected":
                connection.state = "refused"
            if not connection._refusal_activities():
                connection.activity_schedule(
                    "mail.mail_activity_data_warning", user_id=connection._responsible().id, automated=True,
                    summary=env._("%s waits for you", connection.name), note=str(error))

    def _note_recovered(self):
        """Close what :meth:`_note_refused` opened and set the waiting work going."""
        with own_env(self.env(su=True)) as env:
            connection = env["psa.connection"].browse(self.id)
            connection._open_exceptions()._close_if_released()
            connection._refusal_activities().unlink()
            if connection.state == "refused":
                connection.state = "connected"
            connection._wake()

    def _open_exceptions(self):
        return self.env["psa.exception"].search([
            ("subject_key", "=", self._exception_key()), ("state", "not in", ("resolved", "waived"))])

    def _refusal_activities(self):
        return self.env["mail.activity"].search([
            ("res_model", "=", self._name), ("res_id", "=", self.id), ("automated", "=", True),
            ("activity_type_id", "=", self.env.ref("mail.mail_activity_data_warning").id)])

    # === CHECK, PAUSE, RESUME === #

    check_result = fields.Json(readonly=True, copy=False)
    check_text = fields.Text(string="Last Check", compute="_compute_check_text")
    checked_at = fields.Datetime(readonly=True, copy=False)

    @api.depends("check_result")
    def _compute_check_text(self):
        for connection in self:
            names = {stream.code: stream.name for stream in connection.with_context(active_test=False).stream_ids}
            lines = []
            for line in connection.check_result or []:
                lines.append(f"{'✓' if line['ok'] else '✗'} {line['label']}: {line['message']}")
                if not line["ok"] and line["blocks"]:
                    lines.append("   " + self.env._("Until then these rest: %s.", ", ".join(
                        names.get(code, code) for code in line["blocks"])))
            connection.check_text = "\n".join(lines) or False

    def action_check(self):
        """Log in, read one record of each object and name each missing right; a good result closes the breaker."""
        self.check_access("write")
        for connection in self.sudo():
            connection._check()
        return True

    def _check(self):
        """Run the check of the connector and its packages and store what it found.

        :return: list of :class:`connectors.base.Check`
        """
        self.ensure_one()
        if not self._is_live():
            raise UserError(self.env._(
                "%s is paused or archived, or this database is a copy: it calls nobody. Resume the connection in the "
                "database it belongs to.", self.name))
        checks, failure = [], None
        self.env.cr.commit()  # no transaction is open while the vendor is asked
        try:
            with self._calling(force=True) as session:
                for provider in self._providers().values():
                    checks += provider.check(session)
                if fatal := [item for item in checks if not item.ok and not item.blocks]:
                    raise ConnectionRefusedByVendor(fatal[0].message, code=fatal[0].code)
                checks += self._set_up_writing(session)
        except ConnectorError as error:
            _logger.info("Check of connection %s failed: %s", self.id, error)
            failure = error
        # In a transaction of its own, like all that the call has changed about this connection before.
        with own_env(self.env(su=True)) as env:
            env["psa.connection"].browse(self.id)._note_checks(checks, failure)
        self.env.cr.commit()  # a new snapshot, which sees all that was noted
        self.env.invalidate_all()
        return checks

    def _set_up_writing(self, session):
        """Let the vendor have what active write-backs need there. Return the lines of the connectors."""
        writing = set(self.stream_ids.filtered(lambda stream: stream.direction == "out").mapped("provider_code"))
        return [line for code, provider in self._providers().items() if code in writing
                for line in provider.set_up(session)]

    def _note_checks(self, checks, failure):
        """Store what a check found.

        :param failure: error that ended it, or None
        """
        lines = [{"code": item.code, "label": item.label, "ok": item.ok, "message": item.message,
                  "blocks": list(item.blocks)} for item in checks]
        if failure and all(line["ok"] for line in lines):
            lines.append({"code": failure.code, "label": self.env._("Connection"), "ok": False,
                          "message": str(failure), "blocks": []})
        self.write({"check_result": lines, "checked_at": fields.Datetime.now()})
        if failure:
            return
        self._note_blocked(checks)
        self.state = "connected"
        self._wake()

    def _note_blocked(self, checks):
        """Streams that lack a right rest, with one exception that names the rights, while the others go on."""
        reasons = {code: item.message for item in checks if not item.ok for code in item.blocks}
        for stream in self.stream_ids:
            reason = reasons.get(stream.code, False)
            if stream.blocked_reason != reason:
                stream.blocked_reason = reason
        if reasons:
            self.env["psa.exception"]._raise([{
                "cause": "missing_scope", "subject_key": f"{self._exception_key()}:rights",
                "text": self.env._("%(connection)s lacks rights: %(reasons)s", connection=self.name,
                                   reasons=" ".join(sorted(set(reasons.values())))),
                "company_id": self.company_id.id, "connection_id": self.id,
                "res_model": self._name, "res_id": self.id}])
        else:
            self.env["psa.exception"].search([
                ("subject_key", "=", f"{self._exception_key()}:rights"),
                ("state", "not in", ("resolved", "waived"))])._close_if_released()

    def action_pause(self):
        """Stop reading and writing; deliveries are stored and wait."""
        self.check_access("write")
        self.state = "paused"

    def action_resume(self):
        """Go on where it stopped."""
        self.check_access("write")
        self.filtered(lambda item: item.state == "paused").state = "connected"
        self._wake()

    def action_pull_now(self):
        """Read all streams at the next opportunity instead of at their next time."""
        self.check_access("read")
        if not self.env.user.has_group("psa_hub.group_operator"):
            self.check_access("write")
        self.sudo().stream_ids.filtered(lambda item: item.direction == "in").next_pull_at = fields.Datetime.now()
        self._wake()

    def _wake(self):
        """Start reading, fetching and writing soon."""
        self.env["psa.stream"]._wake("pull", "fetch", "push")
