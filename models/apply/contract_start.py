from odoo import fields, models
from odoo.exceptions import UserError

from ..sync.psa_apply import PsaApplyError


class Start:
    """What a contract needs on the day when it is confirmed, as its deal said it.

    :ivar values: ``name``, ``closed_on``, ``project_template`` (a project, or a text when there is none),
        ``project_code``, ``delivery_owner`` (``res.users``, may be empty), ``needs_signature``, ``service_dates``
        (``{id of the order line: day}``)
    :ivar message: ``psa.message`` that brought the deal
    :ivar item: the deal's item; None when the contract has waited since
    """

    def __init__(self, values, message, item=None):
        self.values = values
        self.message = message
        self.item = item

    @classmethod
    def of_deal(cls, item, order):
        """Return the start of the contract ``order`` that was just made of the deal ``item``."""
        source = item.values
        return cls({
            "name": source["name"],
            "closed_on": source["closed_on"],
            "project_template": source["project_template"],
            "project_code": source["project_code"],
            "delivery_owner": item.parents.get("delivery_owner") or order.env["res.users"],
            "needs_signature": bool(source["needs_signature"]),
            "service_dates": {
                line.id: source_line["service_date"]
                for line, source_line in zip(order.order_line.sorted("sequence"), source["lines"], strict=True)
                if source_line["service_date"]
            },
        }, item.message, item)

    @classmethod
    def of_order(cls, order):
        """Return the start that ``order`` keeps until it is confirmed."""
        env, stored = order.env, order.psa_start
        template = stored["project_template"]
        if not isinstance(template, str):
            template = env["project.project"].browse(template).exists() or "none"
        return cls({
            **stored,
            "closed_on": fields.Date.to_date(stored["closed_on"]),
            "project_template": template,
            "delivery_owner": env["res.users"].browse(stored["delivery_owner"] or ()).exists(),
            "service_dates": {
                int(line_id): fields.Date.to_date(day) for line_id, day in stored["service_dates"].items()},
        }, env["psa.message"].browse(stored["message"] or ()).exists())

    def stored(self):
        """Return it JSON-ready; :meth:`of_order` reads it again."""
        values = self.values
        template = values["project_template"]
        return {
            **values,
            "closed_on": fields.Date.to_string(values["closed_on"]),
            "project_template": template if isinstance(template, str) else template.id,
            "delivery_owner": values["delivery_owner"].id,
            "service_dates": {
                str(line_id): fields.Date.to_string(day) for line_id, day in values["service_dates"].items()},
            "message": self.message.id,
        }


class SaleOrder(models.Model):
    """A contract that waits for its signature starts whoever confirms it: a signed agreement, or a person."""

    _inherit = "sale.order"

    def action_confirm(self):
        """EXTENDS sale: a contract that has waited gets its project, tasks, rates and fees."""
        waiting = self.filtered(lambda order: order.sudo().psa_start)
        if waiting:
            waiting.check_access("write")
            starts = {Start.of_order(order): order for order in waiting.sudo()}
            waiting.sudo().write({"psa_start": False})
            try:
                self.env["psa.apply.contract"].sudo()._start(starts)
            except PsaApplyError as error:
                raise UserError(str(error)) from error
        rest = self - waiting
        return super(SaleOrder, rest).action_confirm() if rest else True
