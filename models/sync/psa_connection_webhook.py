import base64
import hashlib
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timezone

from requests.structures import CaseInsensitiveDict

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, ormcache

from ... import connectors
from ...connectors.base import WebhookReply, WebhookRequest
from ...connectors.errors import PoisonError, SignatureError, StaleSignatureError
from .psa_credential import Secrets

_logger = logging.getLogger(__name__)

BACKLOG_SECONDS = 2  # how long a process trusts its count of what waits
OVERLOAD_RETRY_SECONDS = 30

_backlogs = {}  # {(database, connection id): (monotonic time, messages waiting)}


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """What a delivery needs to know of its connection; secrets are kept encrypted.

    :param url: the public address that the vendor was given
    :param streams: stream ids by code
    :param secrets: list of (code, encrypted value, encrypted former value, moment until the former one counts)
    """

    connection_id: int
    connector_code: str
    url: str
    max_bytes: int
    backlog_limit: int
    settings: dict
    streams: dict
    secrets: tuple


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status, body, content type and further headers."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple = ()


class PsaConnection(models.Model):
    """Deliveries: verified on the bytes that came, stored, answered. They are worked on by the lanes, later."""

    _inherit = "psa.connection"

    webhook_refused_count = fields.Integer(
        string="Deliveries Refused (7 days)", compute="_compute_webhook_refused_count")

    def _compute_webhook_refused_count(self):
        since = fields.Date.subtract(fields.Date.today(), days=7)
        counts = dict(self.env["psa.webhook.counter"].sudo()._read_group(
            [("connection_id", "in", self.ids), ("day", ">=", since)], ["connection_id"], ["count:sum"]))
        for connection in self:
            connection.webhook_refused_count = counts.get(connection, 0)

    def write(self, vals):
        if vals.keys() & {"active", "company_id", "webhook_token", "webhook_max_bytes", "webhook_backlog_limit"}:
            self.env.registry.clear_cache()
        return super().write(vals)

    def unlink(self):
        self.env.registry.clear_cache()
        return super().unlink()

    # === WHOSE DELIVERY === #

    @api.model
    @ormcache("token")
    def _webhook_target(self, token):
        """Return the :class:`WebhookTarget` of a token. :raise LookupError: unknown (and not cached)"""
        connection = self.sudo().search([("webhook_token", "=", token)])
        if not connection or not connection._connector().has_webhook:
            raise LookupError(token)
        lines = self.env["psa.credential"].sudo().search([
            ("connection_id", "=", connection.id), ("is_webhook_secret", "=", True),
            ("value_encrypted", "!=", False)])
        return WebhookTarget(
            connection_id=connection.id, connector_code=connection.connector_code, url=connection.webhook_url,
            max_bytes=connection.webhook_max_bytes, backlog_limit=connection.webhook_backlog_limit,
            settings=connection.settings or {},
            streams={stream.code: stream.id for stream in connection.stream_ids if stream.direction == "in"},
            secrets=tuple((line.code, line.value_encrypted, line.previous_encrypted, line.previous_until)
                          for line in lines))

    @api.model
    def _open_secrets(self, target):
        """Return the decrypted webhook secrets: the current ones and, while they are being changed, the former."""
        Credential = self.env["psa.credential"]
        current = Secrets((code, Credential._decrypt(text)) for code, text, _former, _until in target.secrets)
        former = Secrets((code, Credential._decrypt(text)) for code, _text, text, until in target.secrets
                         if text and until > fields.Datetime.now())
        return [item for item in (current, Secrets(current | former) if former else None) if item]

    def _webhook_secrets(self):
        self.ensure_one()
        return self._open_secrets(self._webhook_target(self.sudo().webhook_token))

    # === ONE DELIVERY === #

    @api.model
    def _take_delivery(self, target, headers, body, method="POST", query_string="", query=None):
        """Verify, store and answer one delivery, in the caller's transaction: the answer must follow the commit.

        :param headers: mapping of request headers
        :param body: raw bytes
        :param query_string: as it was called, without the question mark
        :param query: ``{name: value}`` of it
        :return: :class:`Answer`
        """
        connector = connectors.get(target.connector_code)
        headers = CaseInsensitiveDict(headers)
        url = f"{target.url}?{query_string}" if query_string else target.url
        request = WebhookRequest(method, url, headers, query or {}, body)
        if challenge := connector.webhook_challenge(target.settings, request):
            return self._answer(challenge)
        if method != "POST":
            return Answer(405, b"Only POST.", headers=(("Allow", "POST"),))
        try:
            secrets = self._open_secrets(target)
        except UserError as error:  # it is ours to mend: the sender must keep the delivery
            _logger.error("Deliveries of connection %s cannot be verified: %s", target.connection_id, error)
            return Answer(503, b"Not now. Send it again later.", headers=(("Retry-After", "300"),))
        if any(item.required for item in connector.webhook_secrets) and not secrets:
            return self._turn_away(target, "no_secret")
        try:
            delivery = connector.verify_webhook(
                secrets, target.settings, request, datetime.now(timezone.utc))
        except StaleSignatureError:
            return self._turn_away(target, "stale")
        except SignatureError:
            return self._turn_away(target, "signature")
        except PoisonError as error:
            self._keep_unreadable(target, headers, body, error)
            return self._answer(WebhookReply())
        if self._webhook_backlog(target) > target.backlog_limit:
            self.env["psa.webhook.counter"]._count(target.connection_id, "overload")
            return Answer(429, b"Too much is waiting. Send it again later.",
                          headers=(("Retry-After", str(OVERLOAD_RETRY_SECONDS)),))
        if getattr(connector, "webhook_signs_time", False) and not self.env["psa.webhook.seen"]._is_new(
                target.connection_id, self._fingerprint(headers, body)):
            return self._turn_away(target, "replayed")
        self._store_delivery(target, delivery)
        return self._answer(connector.webhook_reply(delivery))

    def _store_delivery(self, target, delivery):
        by_stream = {}
        for code, record in delivery.records:
            by_stream.setdefault(code, []).append(record)
        for code, records in by_stream.items():
            if code in target.streams:
                stream = self.env["psa.stream"].browse(target.streams[code])
                stream.fetch(["connection_id", "company_id", "lane"])  # all that is needed of a wide row
                self.env["psa.message"]._receive(stream, records, "webhook")

    @staticmethod
    def _answer(reply):
        return Answer(reply.status, reply.body, reply.content_type)

    def _turn_away(self, target, reason):
        self.env["psa.webhook.counter"]._count(target.connection_id, reason)
        return Answer(401, b"Not accepted.")

    @staticmethod
    def _fingerprint(headers, body):
        """Hash of all that is sent anew when a request is signed anew; headers that a proxy adds do not count."""
        digest = hashlib.sha256(body)
        for name in sorted(headers, key=str.lower):
            if "signature" in name.lower() or "time" in name.lower():
                digest.update(f"\n{name.lower()}:{headers[name]}".encode())
        return digest.hexdigest()

    def _keep_unreadable(self, target, headers, body, error):
        """Keep an authentic delivery that cannot be read, byte for byte, as a dead message with an exception."""
        self.env["psa.webhook.counter"]._count(target.connection_id, "unreadable")
        digest = hashlib.sha256(body).hexdigest()
        connection = self.browse(target.connection_id)
        streams = self.env["psa.stream"].browse(target.streams.values())
        stream = streams.filtered(lambda item: item.mode != "poll")[:1] or streams[:1]
        Message = self.env["psa.message"]
        key = f"unreadable|{digest}"
        if Message.search_count([("stream_id", "=", stream.id), ("dedupe_key", "=", key)], limit=1):
            return
        exceptions = self.env["psa.exception"]._raise([{
            "cause": "poison", "subject_key": f"delivery:{connection.id}:{digest}",
            "text": self.env._("%(connection)s sent something that cannot be read: %(reason)s",
                               connection=connection.name, reason=str(error)),
            "company_id": connection.company_id.id, "connection_id": connection.id,
            "res_model": self._name, "res_id": connection.id}])
        exception = next(iter(exceptions.values()))
        Message.create({
            "connection_id": connection.id, "stream_id": stream.id, "company_id": connection.company_id.id,
            "direction": "in", "lane": stream.lane, "origin": "webhook", "operation": "upsert",
            "dedupe_key": key, "object_type": stream.object_type, "external_id": digest[:16],
            "payload": base64.b64encode(body).decode(), "payload_hash": digest, "state": "dead",
            "error": str(error), "error_code": error.code or "unreadable", "exception_id": exception.id})
        exception._refresh_amounts()

    # === OVERLOAD === #

    def _webhook_backlog(self, target):
        """Return how many messages of the connection wait, counted up to the limit, at most some seconds ago."""
        key = (self.env.cr.dbname, target.connection_id)
        moment, count = _backlogs.get(key, (None, 0))
        if moment is None or time.monotonic() - moment > BACKLOG_SECONDS:
            (count,), = self.env.execute_query(SQL(
                """
                SELECT count(*) FROM (
                    SELECT FROM psa_message
                     WHERE lane IN ('master', 'transaction', 'fetch') AND connection_id = %s AND state = 'pending'
                     LIMIT %s) waiting
                """, target.connection_id, target.backlog_limit + 1))
            _backlogs[key] = (time.monotonic(), count)
        return count
