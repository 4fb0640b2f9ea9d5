"""Rivals of the webhook route: a route that inserts and commits one row, and one that does nothing."""

from odoo.http import Controller, request, route


class BareRoutes(Controller):
    @route("/psa_bench/insert", type="http", auth="public", methods=["POST"], csrf=False, save_session=False)
    def insert(self):
        body = request.httprequest.get_data()
        request.env["psa.bench.row"].sudo().create({"name": "row", "payload": body.decode()})
        return request.make_response("ok")

    @route("/psa_bench/nothing", type="http", auth="public", methods=["POST"], csrf=False, save_session=False)
    def nothing(self):
        return request.make_response("ok")
