from odoo import models

from ..billing.cap_burn import MAIL_HUSH


class PsaApplyContract(models.AbstractModel):
    """The people who go on with a contract that has started."""

    _inherit = "psa.apply.contract"

    def _known_projects(self, order_by_start):
        """Return ``{start: project}`` of the contracts that have a project already."""
        projects = self.env["project.project"].search(
            [("psa_contract_id", "in", [order.id for order in order_by_start.values()]), ("is_template", "=", False)],
            order="id",
        ).grouped("psa_contract_id")
        return {start: projects[order][:1] for start, order in order_by_start.items() if order in projects}

    def _hand_over(self, order_by_start, projects):
        """Ask the delivery owner to plan, and tell finance of a contract that has waited for its signature."""
        for start, order in order_by_start.items():
            owner, project = start.values["delivery_owner"], projects[start]
            if owner:
                if project.user_id != owner:
                    project.user_id = owner
                project.with_context(**MAIL_HUSH).activity_schedule(
                    "mail.mail_activity_data_todo", user_id=owner.id,
                    summary=self.env._("Plan the delivery of %s", project.name),
                )
            finance = order.psa_connection_id._responsible() if order.psa_connection_id else order.user_id
            if start.values["needs_signature"] and finance:
                order.with_context(**MAIL_HUSH).activity_schedule(
                    "mail.mail_activity_data_todo", user_id=finance.id,
                    summary=self.env._("%s is signed: check how it is billed", order.name),
                    note=self.env._(
                        "%(customer)s, %(amount)s before tax. Its project, tasks, rates and fees are there.",
                        customer=order.partner_id.display_name,
                        amount=order.currency_id.format(order.amount_untaxed)),
                )
