import logging

from werkzeug.exceptions import BadRequest

from odoo import http
from odoo.http import request

from ..connectors.errors import ConnectorError

_logger = logging.getLogger(__name__)


class OAuth(http.Controller):
    """Consent in the browser. Both ends need the administrator who started it, logged in."""

    @http.route("/psa_hub/oauth/start/<int:connection_id>", type="http", auth="user", methods=["GET"], readonly=False)
    def start(self, connection_id, **_parameters):
        connection = request.env["psa.connection"].browse(connection_id).exists()
        if not connection:
            raise request.not_found()
        return request.redirect(connection._consent_url(), code=303, local=False)

    @http.route("/psa_hub/oauth/callback", type="http", auth="user", methods=["GET"], readonly=False)
    def callback(self, state="", code="", error="", error_description="", **_parameters):
        found = request.env["psa.oauth.state"]._take(state)
        if not found:
            raise BadRequest("This consent was not started here, by you, in the last ten minutes. Start it again.")
        connection, verifier = found
        request.env.cr.commit()  # pylint: disable=invalid-commit  # a state is good for one attempt, also a failed one
        if error or not code:
            connection.check_access("write")
            connection.sudo()._message_log(body=request.env._(
                "Consent was not given: %s", error_description or error or request.env._("no code came back")))
            return self._back(connection)
        try:
            connection._finish_consent(code, verifier)
        except ConnectorError as failure:
            _logger.info("Consent for connection %s failed: %s", connection.id, failure)
            connection.sudo()._message_log(body=request.env._("Consent failed: %s", failure))
        else:
            connection.action_check()
        return self._back(connection)

    def _back(self, connection):
        return request.redirect(connection._consent_page(), code=303)
