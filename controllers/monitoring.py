from prometheus_client import CONTENT_TYPE_LATEST
from werkzeug.exceptions import Forbidden

from odoo import http
from odoo.http import request

from ..models.sync.metrics import metrics_text


class Monitoring(http.Controller):

    @http.route("/psa_hub/health", type="http", auth="public", methods=["GET"], save_session=False, readonly=True)
    def health(self, **_parameters):
        """For probes: says how it is in one word and nothing else. 503 when nothing is worked on."""
        status = request.env["psa.connection"].sudo()._health()
        return request.make_json_response({"status": status}, status=503 if status == "failing" else 200)

    @http.route("/psa_hub/metrics", type="http", auth="bearer", methods=["GET"], save_session=False, readonly=True)
    def metrics(self, **_parameters):
        """Prometheus text, for a user with an API key who may read the hub (``Authorization: Bearer <key>``)."""
        if not request.env.user.has_group("psa_hub.group_auditor"):
            raise Forbidden
        return request.make_response(
            metrics_text(request.env(su=True)), headers=[("Content-Type", CONTENT_TYPE_LATEST)])
