from odoo import models

from .entry_specs import source_block, tell_billing, withdraw
from .project_subjects import contract_key, no_contract_text
from .tools import save, share_prefetch


class PsaApplyMilestone(models.AbstractModel):
    """Milestones -> ``project.milestone`` on the contract's milestone line; an approved one is reached and billable.

    Its share of the line is its fee over the line's subtotal, so that Odoo's delivered quantity follows. A milestone
    shell of the same name that a template left on the project is adopted.
    """

    _name = "psa.apply.milestone"
    _inherit = "psa.apply"
    _description = "Apply Milestones"
    _canonical_names = {
        "project_id": "project", "deadline": "target_on", "quantity_percentage": "amount", "is_reached": "approved",
    }

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        self._check_contract([item for item in items if item.ok])
        self._adopt([item for item in items if item.unmatched])

    def _check_contract(self, items):
        for item in items:
            project = item.parents["project"]
            order = project.psa_contract_id
            if order and item.values["currency"] != order.currency_id.name:
                item.hold(
                    "currency_mismatch",
                    self.env._(
                        "The milestone “%(milestone)s” is in %(fee)s, but its contract %(contract)s is in "
                        "%(currency)s. Correct the milestone at the source.",
                        milestone=item.values["name"], fee=item.values["currency"], contract=order.name,
                        currency=order.currency_id.name,
                    ),
                    key=item.key, amount=item.values["amount"], currency=item.values["currency"],
                    company=order.company_id, record=order,
                )
            elif item.values["amount"] and not self._milestone_lines(order):
                text = self.env._(
                    "The milestone “%(milestone)s” has a fee, but the contract %(contract)s sells no milestones. "
                    "Add a milestone line to the contract, then retry.",
                    milestone=item.values["name"], contract=order.name,
                ) if order else no_contract_text(self.env, project)
                item.hold(
                    "no_contract", text, key=item.key if order else contract_key(project), amount=item.values["amount"],
                    currency=item.values["currency"], company=project.company_id or None, record=project,
                )

    def _risk(self, items):
        for item in items:
            item.risk(item.values.get("amount"), item.values.get("currency"))

    def _adopt(self, items):
        """Take over the unlinked milestones that the projects have under the items' names."""
        if not items:
            return
        milestones = self.env["project.milestone"].search(
            [
                ("project_id", "in", [item.parents["project"].id for item in items]),
                ("name", "in", [item.values["name"] for item in items]),
            ],
        )
        if not milestones:
            return
        bound = set(self.env["psa.binding"].search(
            [("res_model", "=", "project.milestone"), ("res_id", "in", milestones.ids)]
        ).mapped("res_id"))
        free = {
            (milestone.project_id, milestone.name): milestone for milestone in milestones if milestone.id not in bound
        }
        for item in items:
            if milestone := free.pop((item.parents["project"], item.values["name"]), None):
                item.record = milestone

    # === APPLY === #
    def _milestone_lines(self, order):
        return order.order_line.filtered(lambda line: line.psa_billing_method == "milestone").sorted("sequence")

    def _line(self, item):
        """Return the order line that pays the milestone: the one of its name, else of its amount, else the first."""
        lines = self._milestone_lines(item.parents["project"].psa_contract_id)
        if item.record and item.record.sale_line_id in lines:
            return item.record.sale_line_id
        name = item.values["name"].lower()
        amount = float(item.values["amount"])
        return (
            lines.filtered(lambda line: line.name.split("\n")[0].lower() == name)
            or lines.filtered(lambda line: not line.currency_id.compare_amounts(line.price_subtotal, amount))
            or lines
        )[:1]

    def _apply(self, items):
        values = {item: self._milestone_values(item) for item in items}
        milestones = save(self, "project.milestone", items, values)
        tell_billing(self.env, "milestone", [
            self._entry_spec(item, milestone) for item, milestone in milestones.items() if milestone.sale_line_id
        ])
        for item, milestone in milestones.items():
            item.done(milestone)

    def _milestone_values(self, item):
        source = item.values
        line = self._line(item)
        subtotal = line.price_subtotal
        return {
            "name": source["name"],
            "project_id": item.parents["project"].id,
            "deadline": source["target_on"] or False,
            "sale_line_id": line.id,
            "quantity_percentage": float(source["amount"]) / subtotal if subtotal else 0.0,
            "is_reached": source["approved"],
        }

    def _entry_spec(self, item, milestone):
        source = item.values
        line = milestone.sale_line_id
        return {
            "source": milestone,
            "order_id": line.order_id.id,
            "order_line_id": line.id,
            "project_id": milestone.project_id.id,
            "employee_id": False,
            "role_id": False,
            "work_date": source["reached_on"] or source["target_on"] or milestone.reached_date
            or milestone.create_date.date(),
            "quantity": milestone.quantity_percentage * line.product_uom_qty,
            "currency_id": line.currency_id.id,
            "fixed_amount": source["amount"],
            "approved": source["approved"],
            "billable": True,
            "source_blocked": source_block(source),
            "source_billed_number": source["billed_number"],
            "description": source["name"],
            "source_amount": source["amount"],
            "message_id": item.message.id,
        }

    def _delete(self, items):
        """A milestone deleted at the source is never billed; one that is billed is for billing to report."""
        milestones = self.env["project.milestone"].union(*(item.record for item in items if item.record))
        kept = withdraw(self.env, "milestone", milestones)
        if gone := milestones - kept:
            gone.unlink()
        for item in items:
            item.done(item.record.exists() if item.record else item.record)
