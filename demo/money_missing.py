"""What is missing and held for it: a rate, a signed acceptance, an expense handed in too late."""

from datetime import date

from .money_costs import spend


def build(env, firm):
    """Make a contract for each.

    :param firm: :class:`~.money.Firm`
    """
    _rate(env, firm)
    _evidence(env, firm)
    _too_old(env, firm)


def _rate(env, firm):
    """Somebody new has no role yet, and nobody has said what an hour of hers costs this customer."""
    order = firm.contract("Quarry Street Labs: field trial", [("time_material", 30, 0.0)])
    newcomer = env["hr.employee"].create({"name": "Mary Anning", "company_id": firm.company.id, "hourly_cost": 45.0})
    firm.time(order, newcomer, [(date(2026, 5, 7), 5)], priced=False)


def _evidence(env, firm):
    """The customer said yes on the phone; the contract asks for the signed protocol."""
    order = firm.contract("Sable Foundry: control room", [
        ("milestone", 1, 14000.0, {
            "name": "Control room", "psa_acceptance_required": True, "psa_evidence_required": True}),
    ])
    milestone = env["project.milestone"].create({
        "name": "Factory test", "project_id": firm.project(order).id, "sale_line_id": order.order_line.id,
        "quantity_percentage": 0.5, "is_reached": True, "deadline": date(2026, 5, 22)})
    env["psa.entry"]._sync("milestone", [{
        "source": milestone, "order_id": order.id, "order_line_id": order.order_line.id,
        "project_id": milestone.project_id.id, "work_date": milestone.deadline,
        "quantity": milestone.quantity_percentage, "currency_id": order.currency_id.id, "fixed_amount": None,
        "approved": True, "description": milestone.name,
    }])
    milestone.psa_accepted_name = "R. Castellan"
    milestone.action_psa_accept()


def _too_old(env, firm):
    """The contract bills expenses of the last 60 days; this one was found in a drawer."""
    order = firm.contract("Umber Galleries: audio guide", [("time_material", 20, 130.0), ("expense", 0, 0)])
    category = env["product.product"].search([
        ("can_be_expensed", "=", True), ("company_id", "=", firm.company.id)], limit=1)
    env["psa.expense.policy"].create({
        "company_id": firm.company.id, "order_id": order.id, "method": "cost", "max_age_days": 60})
    spend(env, firm, order, firm.people["Grace Murray"], category, date(2026, 1, 9), 74.5, "Taxi in January")
