from odoo import http
from odoo.addons.portal.controllers.portal import CustomerPortal
from odoo.exceptions import AccessError, MissingError
from odoo.http import content_disposition, request


class Evidence(CustomerPortal):
    """Downloads of evidence packs: by people of the firm, and by the customer beside the invoice."""

    @http.route("/psa_hub/evidence/<int:evidence_id>", type="http", auth="user", methods=["GET"])
    def evidence(self, evidence_id, **_parameters):
        evidence = request.env["psa.evidence"].browse(evidence_id).exists()
        if not evidence or not evidence.has_access("read"):
            return request.not_found()
        return self._pack(evidence)

    @http.route("/my/invoices/<int:invoice_id>/evidence", type="http", auth="public", methods=["GET"])
    def portal_evidence(self, invoice_id, access_token=None, **_parameters):
        """The same right as the invoice itself: the customer's login or the token of its link."""
        try:
            invoice = self._document_check_access("account.move", invoice_id, access_token)
        except (AccessError, MissingError):
            return request.redirect("/my")
        evidence = invoice.sudo()._psa_portal_evidence()
        return self._pack(evidence) if evidence else request.not_found()

    def _pack(self, evidence):
        attachment = evidence.sudo().attachment_id
        return request.make_response(attachment.raw, headers=[
            ("Content-Type", "application/zip"),
            ("Content-Disposition", content_disposition(attachment.name)),
            ("X-Content-Type-Options", "nosniff"),
        ])
