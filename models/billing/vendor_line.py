"""Which contract a vendor's cost belongs to, for lines of purchase orders and of vendor bills alike."""

from decimal import Decimal

from .pricing import decimal_of


def find_contracts(lines, purchase_line_of):
    """Find the contracts that each line's cost is passed on to.

    In this order: the contract line that the purchase was made for (one that is billed otherwise covers the cost: then
    there is none); the project of the purchase order; the contracts to whose projects the cost is distributed. Found
    are only contracts with a pass-through line. More than one means that a person must choose, or divide the line.

    :param lines: recordset of ``purchase.order.line`` or ``account.move.line``
    :param purchase_line_of: function that returns a line's purchase order line or an empty record
    :return: ``{line: sale.order recordset}`` of the lines that have any
    """
    lines = lines.sudo()
    projects = projects_by_account(lines)
    candidates = {line: _candidates(line, purchase_line_of(line), projects) for line in lines}
    orders = lines.env["sale.order"].union(*candidates.values())
    passing = orders.order_line.filtered(lambda line: line.psa_billing_method == "pass_through").order_id
    return {
        line: found for line, contracts in candidates.items()
        if (found := (contracts & passing).filtered(lambda order, line=line: order.company_id == line.company_id))
    }


def _candidates(line, purchase_line, projects):
    sale_line, contracts = purchase_line.sale_line_id, line.env["sale.order"]
    if sale_line.order_id.psa_contract:
        return sale_line.order_id if sale_line.psa_billing_method == "pass_through" else contracts
    return purchase_line.order_id.project_id.psa_contract_id or contracts.union(*(
        projects[account_id].psa_contract_id
        for key in line.analytic_distribution or {} for account_id in _ids(key) if account_id in projects
    ))


def projects_by_account(lines):
    """Return ``{analytic account id: project.project}`` of the projects with a contract among the distributions."""
    account_ids = {
        account_id for line in lines for key in line.analytic_distribution or {} for account_id in _ids(key)}
    if not account_ids:
        return {}
    projects = lines.env["project.project"].sudo().search([
        ("account_id", "in", list(account_ids)), ("psa_contract_id", "!=", False)])
    return {project.account_id.id: project for project in projects}


def share_of(line, order, projects):
    """Return the part of a line's cost that ``order`` bears, as a Decimal: its part of the distribution, else all.

    :param projects: of :func:`projects_by_account`
    """
    percent = sum((
        decimal_of(part) for key, part in (line.analytic_distribution or {}).items()
        if any(projects[account_id].psa_contract_id == order for account_id in _ids(key) if account_id in projects)
    ), Decimal(0))
    return percent / 100 if percent else Decimal(1)


def project_of(order, purchased_for):
    """Return the project of a contract that a cost belongs to: the one it was purchased for, else the first."""
    if order and purchased_for.psa_contract_id == order:
        return purchased_for
    return order.project_ids.filtered(lambda project: project.psa_contract_id == order)[:1]


def _ids(key):
    """Return the account ids of one key of a distribution; ignores marks that are not ids."""
    return [int(part) for part in key.split(",") if part.isdigit()]
