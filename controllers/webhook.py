import logging

import psycopg2.errors
from werkzeug.exceptions import ServiceUnavailable

from odoo import SUPERUSER_ID, http
from odoo.http import request

_logger = logging.getLogger(__name__)

ATTEMPTS = 10


class Webhook(http.Controller):

    @http.route("/psa_hub/webhook/<string:token>", type="http", auth="psa_webhook", methods=["POST", "GET"], csrf=False,
                save_session=False, readonly=False)
    def deliver(self, token, **_parameters):
        """Take one delivery. Odoo commits before it sends what this returns, so what is acknowledged is stored."""
        target, body = request.psa_webhook
        http_request = request.httprequest
        connections = request.env(user=SUPERUSER_ID)["psa.connection"]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = connections._take_delivery(
                    target, http_request.headers, body, http_request.method,
                    http_request.query_string.decode("ascii", "replace"), http_request.args.to_dict())
                request.env.cr.commit()  # pylint: disable=invalid-commit
                break
            except psycopg2.errors.SerializationFailure:
                # Somebody stored the same delivery at this moment: look again at once, with a new snapshot.
                request.env.cr.rollback()
                if attempt == ATTEMPTS:
                    raise ServiceUnavailable(retry_after=5) from None
            except psycopg2.OperationalError as error:
                _logger.warning("A delivery for connection %s could not be stored: %s", target.connection_id, error)
                raise ServiceUnavailable(retry_after=30) from error
        return request.make_response(
            answer.body, headers=[("Content-Type", answer.content_type), *answer.headers], status=answer.status)
