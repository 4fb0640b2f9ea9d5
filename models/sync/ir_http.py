import psycopg2
from werkzeug.exceptions import ClientDisconnected, NotFound, RequestEntityTooLarge, ServiceUnavailable

from odoo import models
from odoo.http import request


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _auth_method_psa_webhook(cls):
        """Read the raw body before anything parses it (a form-encoded one would be gone), within the limit.

        Who sent it is checked by the connector, on these bytes. The route finds target and body in
        ``request.psa_webhook``.
        """
        cls._auth_method_public()
        token = request.httprequest.path.rpartition("/")[2]
        connections = request.env["psa.connection"].sudo()
        try:
            target = connections._webhook_target(token)
        except LookupError:
            raise NotFound from None
        except psycopg2.Error as error:
            raise ServiceUnavailable(retry_after=30) from error
        try:
            if (request.httprequest.content_length or 0) > target.max_bytes:
                raise RequestEntityTooLarge
            # A body without a length is cut at the limit without a word: read one byte more than is allowed.
            request.httprequest.max_content_length = target.max_bytes + 1
            body = request.httprequest.get_data(cache=True)
            if len(body) > target.max_bytes:
                raise RequestEntityTooLarge
        except RequestEntityTooLarge:
            connections.env["psa.webhook.counter"]._count(target.connection_id, "too_large")
            raise
        except (ClientDisconnected, OSError) as error:
            raise ServiceUnavailable(retry_after=30) from error
        request.psa_webhook = (target, body)
